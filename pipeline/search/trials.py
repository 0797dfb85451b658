"""The trials of a study as they ended: read from Optuna's journal, named and seeded by number and slot."""

from collections.abc import Iterable
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.core.seeds import derive_seed
from pipeline.experiment.experiment import Experiment
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import RunRecord

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class EndedTrial:
    """A trial that is no longer running."""

    number: int
    slot: int
    state: str  # complete, pruned, failed, or interrupted: left by a crash or a Ctrl-C of the coordinator
    role: str  # baseline, one_at_a_time or search
    config: Configuration
    epochs: tuple[Epoch, ...]
    score: float | None  # best of its epochs on val; None where no epoch ended
    violation: float  # of the constraints, 0 where all are kept
    reason: str  # of a failure
    died: bool  # its worker exited without reporting a result
    started_ms: int  # since 1970
    ended_ms: int

    @property
    def seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def name(self) -> str:
        return run_name(self.number)

    def metrics(self) -> dict[str, float]:
        """Return what MLflow shows of the trial as a whole."""
        score = {} if self.score is None else {"score": self.score}
        return {"epochs": len(self.epochs), "seconds": self.seconds, **score}

    def record(self, seed: int) -> RunRecord:
        """Return the run that MLflow should hold. seed: of the experiment."""
        record = RunRecord(self.name, Role(self.role), self.config, slot_seed(seed, self.slot), self.started_ms)
        record.epochs = list(self.epochs)
        record.finish(self.state, self.metrics(), self.reason)
        return record


def read_trial(trial: FrozenTrial) -> EndedTrial:
    """Return an ended trial of a study."""
    attrs = trial.user_attrs
    interrupted = trial.state == TrialState.FAIL and "reason" not in attrs
    best = max(trial.intermediate_values.values(), default=None)
    assert trial.datetime_complete
    return EndedTrial(
        **{key: attrs[key] for key in ("slot", "role", "config", "started_ms")},
        number=trial.number,
        state="interrupted" if interrupted else STATES[trial.state],
        epochs=tuple(Epoch(**epoch) for epoch in attrs.get("curves", [])),
        score=trial.value if trial.state == TrialState.COMPLETE else best,
        violation=sum(max(0.0, violation) for violation in trial.constraints.values()),
        reason=attrs.get("reason", ""),
        died=attrs.get("died", False),
        ended_ms=round(1000 * trial.datetime_complete.timestamp()),
    )


def ended_trials(study: optuna.Study) -> list[EndedTrial]:
    """Return all ended trials by number."""
    return [read_trial(trial) for trial in study.get_trials(deepcopy=False, states=tuple(STATES))]


def close_open_trials(study: optuna.Study) -> None:
    """Close what a killed coordinator left running: it alone writes, so nobody else trains it."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
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


def slot_seed(seed: int, slot: int) -> int:
    """Return the seed of the training in a slot. seed: of the experiment."""
    return derive_seed(seed, "trial", slot)
