"""The trials of a study as they ended: read from Optuna's journal, named and seeded by number and slot."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.rungs import counted
from pipeline.core.seeds import derive_seed
from pipeline.experiment.experiment import Experiment
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import RungPoint, RunRecord

ENQUEUED_FROM = "enqueued_from"  # attribute of a study: slot -> the study that its configuration comes from
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "open",
}


@dataclass(frozen=True)
class RungScore:
    """One training of a configuration at a rung."""

    rung: int
    share: float
    repeat: int  # index of the seed
    score: float | None  # on val at the end of the rung; None: the training failed
    steps: int | None = None  # None: it failed
    parameters: int | None = None  # trainable weights
    violation: float = 0.0  # of the constraints
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class EndedTrial:
    """A trial that is no longer running, or waits between the rungs of a search: its state is then `open`."""

    number: int
    slot: int
    state: str  # complete, pruned, failed, open, or interrupted: left by a crash or a Ctrl-C of the coordinator
    role: str  # baseline, one_at_a_time, reference, enqueued or search
    config: Configuration
    epochs: tuple[Epoch, ...]  # none where there are rungs
    score: float | None  # best of its epochs on val, or mean at the last rung; None where no training ended
    violation: float  # of the constraints, 0 where all are kept
    reason: str  # of a failure
    died: bool  # its worker exited without reporting a result
    diverged: bool  # its loss did not remain finite
    lost: bool  # on rungs: given up after the deaths of its workers
    started_ms: int  # since 1970
    ended_ms: int
    source: str = ""  # the study that an enqueued configuration comes from
    rungs: tuple[RungScore, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(training.seconds for training in self.rungs or self.epochs)

    def at(self, rung: int, repeat: int) -> RungScore | None:
        """Return the training at a rung under one seed, None if it has not ended."""
        return next((each for each in self.rungs if (each.rung, each.repeat) == (rung, repeat)), None)

    def mean_score(self, rung: int) -> float | None:
        """Return the mean over the seeds of a rung, a failed one as 0; None if none has a score."""
        scores = counted(each.score for each in self.rungs if each.rung == rung)
        return sum(scores) / len(scores) if scores else None

    def violation_at(self, rung: int) -> float:
        """Return the mean violation of the constraints over the seeds of a rung."""
        return mean_violation(self.rungs, rung)

    def has_ended(self, rung: int, n_seeds: int) -> bool:
        """Return whether the trainings under all seeds of a rung have ended."""
        return all(self.at(rung, repeat) for repeat in range(n_seeds))

    def failed_at(self, rung: int, n_seeds: int) -> bool:
        """Return whether the trainings under all seeds of a rung failed."""
        return self.has_ended(rung, n_seeds) and self.mean_score(rung) is None

    @property
    def name(self) -> str:
        return run_name(self.number)

    def metrics(self) -> dict[str, float]:
        """Return what MLflow shows of the trial as a whole; with rungs, a score only if it reached the last."""
        has_score = self.score is not None and (not self.rungs or self.state == "complete")
        score = {"score": self.score} if has_score and self.score is not None else {}
        n_epochs = {} if self.rungs else {"epochs": len(self.epochs)}
        return {**n_epochs, "seconds": self.seconds, **score}

    def points(self, n_seeds: Sequence[int]) -> list[RungPoint]:
        """Return what MLflow shows of each rung whose seeds have all ended. n_seeds: of each rung."""
        points = []
        for rung, n in enumerate(n_seeds):
            each = [training for training in self.rungs if training.rung == rung]
            score = self.mean_score(rung)
            if self.has_ended(rung, n) and score is not None:
                seconds, steps = sum(training.seconds for training in each), max(t.steps or 0 for t in each)
                points.append(RungPoint(rung, score, each[0].share, steps, seconds))
        return points

    def record(self, seed: int, n_seeds: Sequence[int] = ()) -> RunRecord:
        """Return the run that MLflow should hold. seed: of the experiment; n_seeds: of each rung."""
        record = RunRecord(
            self.name,
            Role(self.role),
            self.config,
            seed=slot_seed(seed, self.slot),
            started_ms=self.started_ms,
            source=self.source,
        )
        record.epochs, record.rungs = list(self.epochs), self.points(n_seeds)
        if self.state != "open":
            record.finish(self.state, self.metrics(), self.reason)
        return record


def mean_violation(rungs: Sequence[RungScore], rung: int) -> float:
    """Return the mean violation of the constraints at a rung over the seeds that did not fail."""
    of_rung = [each.violation for each in rungs if each.rung == rung and each.score is not None]
    return sum(of_rung) / len(of_rung) if of_rung else 0.0


def read_trial(trial: FrozenTrial, sources: Mapping[str, str]) -> EndedTrial:
    """Return an ended trial of a study. sources: the attribute ENQUEUED_FROM of the study."""
    attrs = trial.user_attrs
    interrupted = trial.state == TrialState.FAIL and "reason" not in attrs
    rungs = tuple(RungScore(**rung) for rung in attrs.get("rungs", []))
    reported = trial.intermediate_values
    best = reported.get(max(reported, default=0)) if rungs else max(reported.values(), default=None)
    ended = trial.datetime_complete or datetime.fromtimestamp(0)
    trial_violation = sum(max(0.0, violation) for violation in trial.constraints.values())
    last = max((rung.rung for rung in rungs), default=0)
    return EndedTrial(
        **{key: attrs[key] for key in ("slot", "role", "config", "started_ms")},
        number=trial.number,
        state="interrupted" if interrupted else STATES[trial.state],
        epochs=tuple(Epoch(**epoch) for epoch in attrs.get("curves", [])),
        score=trial.value if trial.state == TrialState.COMPLETE else best,
        violation=mean_violation(rungs, last) if rungs else trial_violation,
        reason=attrs.get("reason", ""),
        died=attrs.get("died", False),
        diverged=attrs.get("diverged", False),
        lost=attrs.get("lost", False),
        ended_ms=round(1000 * ended.timestamp()),
        source=sources.get(str(attrs["slot"]), ""),
        rungs=rungs,
    )


def ended_trials(study: optuna.Study) -> list[EndedTrial]:
    """Return all ended trials by number, and those that wait between rungs; call `close_open_trials` before."""
    sources = sources_of(study)
    return [read_trial(trial, sources) for trial in study.get_trials(deepcopy=False, states=tuple(STATES))]


def sources_of(study: optuna.Study) -> dict[str, str]:
    """Return the attribute ENQUEUED_FROM."""
    sources: dict[str, str] = study.user_attrs.get(ENQUEUED_FROM, {})
    return sources


def note_sources(study: optuna.Study, sources: Mapping[int, str]) -> None:
    """Keep in the study which slots have a configuration of another one, and of which."""
    noted = {str(slot): source for slot, source in sources.items()}
    if noted != sources_of(study):
        study.set_user_attr(ENQUEUED_FROM, noted)


def close_open_trials(study: optuna.Study) -> None:
    """Close what a killed coordinator left running: it alone writes, so nobody else trains it.

    In a search with rungs all remain open, with what they have finished.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if "rungs" not in trial.user_attrs:
            study.tell(trial.number, state=TrialState.FAIL)


def results(trials: Iterable[EndedTrial], experiment: Experiment) -> list[EndedTrial]:
    """Return the trials within the budget by slot, without interrupted ones.

    A slot whose worker died once has two: the failed one and the one that was trained again.
    """
    within = [trial for trial in trials if trial.slot < experiment.n_slots and trial.state != "interrupted"]
    return sorted(within, key=lambda trial: (trial.slot, trial.number))


def run_name(number: int) -> str:
    """Return the name of a trial's run in MLflow."""
    return f"trial-{number:04d}"


def slot_seed(seed: int, slot: int, repeat: int = 0) -> int:
    """Return the seed of the training in a slot. seed: of the experiment; repeat: index among several."""
    return derive_seed(seed, "trial", slot, *([repeat] if repeat else []))
