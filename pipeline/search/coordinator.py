"""The search coordinator: asks Optuna for trials, has them trained, tells the results, tracks them in MLflow.

It alone writes the journal and MLflow, so any trial found running at the start was left by a crash. A trial
fills a slot; what an interruption left is trained again in the same slot, with the same decisions, so that an
interrupted search ends with the trials of an uninterrupted one.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import PipelineError
from pipeline.execution.executor import Executor
from pipeline.execution.job import Failed, Finished, Job, Result, Stopped
from pipeline.experiment.experiment import Experiment
from pipeline.search.optuna_study import SampledParameters
from pipeline.search.progress import SearchProgress
from pipeline.search.pruning import TrialPruner
from pipeline.search.sampling import sample_parameters
from pipeline.search.selection import best_trial
from pipeline.search.study import OpenStudy
from pipeline.search.trial_table import STATE, finished_trials, interrupted, row, run_name, slot_seed, summary
from pipeline.tracking.mlflow import Tracker
from pipeline.tracking.run_record import RunRecord

MAX_WORKER_DEATHS = 2  # of a slot in one epoch: the cause may lie outside the trial once, hardly twice
MAX_EQUAL_FAILURES = 5  # in a row: then the experiment is at fault, not the draw


@dataclass
class _Running:
    """A trial in training."""

    trial: Trial
    slot: int
    config: Configuration
    record: RunRecord
    judge: TrialPruner | None  # the baseline and its variations are always trained to their end


class Coordinator:
    """Trains until every slot of the budget is filled; each finished trial is kept whatever happens next."""

    def __init__(
        self,
        study: OpenStudy,
        experiment: Experiment,
        development: Path,
        executor: Executor,
        tracker: Tracker,
        *,
        reproducible: bool = True,
    ) -> None:
        """reproducible: train in batches of `experiment.parallel` slots, each decided by the batches before.

        Otherwise a free worker takes the next slot at once, and decisions depend on which trial was faster.
        """
        self.study, self.checkpoints, self.journal = study.optuna, study.folder, study.journal
        self.experiment, self.development = experiment, development
        self.executor, self.tracker = executor, tracker
        self.reproducible = reproducible
        n_slots = experiment.n_slots
        earlier = study.optuna.get_trials(deepcopy=False, states=tuple(STATE))
        states = ["interrupted" if interrupted(trial) else STATE[trial.state] for trial in earlier]
        self.board = SearchProgress(experiment.name, n_slots, n_slots - len(self._open_slots()), states)
        self._best: dict[str, Any] | None = None
        for trial in finished_trials(study.optuna, experiment):
            if trial["state"] == "complete":
                self._compare(trial)
        self._drawn: dict[int, SampledParameters] = {}  # slots that the sampler has filled and may not learn from yet
        closed = sorted(
            (trial for trial in earlier if not interrupted(trial)),
            key=lambda trial: trial.datetime_complete or datetime.min,
        )
        self._told = [told for trial in closed if (told := self._failure(trial)) is not None]

    def run(self) -> None:
        """Raises PipelineError if trials keep failing for one cause, or if none was completed."""
        try:
            with self.board:
                while open_slots := self._open_slots():
                    self._train(self._next(open_slots))
            if not self._best:
                self._give_up(len(self._told), "no trial was completed; the last one failed")
        except PipelineError as error:
            self.tracker.end("failed", str(error))
            raise
        self.tracker.log_study({"score": self._best["score"]}, 0, self._best["ended_ms"])
        self.tracker.end("complete", winner=run_name(self._best["number"]))

    def _open_slots(self) -> list[int]:
        """Slots whose trial is still to be trained, or trained again."""
        filled, deaths = set(), Counter[tuple[int, int]]()
        reopened = self.study.user_attrs.get("reopened", [])
        for trial in self.study.get_trials(deepcopy=False, states=tuple(STATE)):
            slot = trial.user_attrs["slot"]
            if trial.number in reopened:
                continue
            if trial.user_attrs.get("died"):
                deaths[slot, len(trial.user_attrs["curves"])] += 1
            elif not interrupted(trial):
                filled.add(slot)
        filled |= {slot for (slot, _), n in deaths.items() if n >= MAX_WORKER_DEATHS}
        return [slot for slot in range(self.experiment.n_slots) if slot not in filled]

    def _next(self, open_slots: list[int]) -> list[int]:
        """What is trained before the sampler learns again: the rest of a batch; batches are the same wherever a search
        was stopped."""
        self._drawn = {}
        if not self.reproducible:
            return open_slots
        n = self.experiment.parallel
        batch = range(open_slots[0] - open_slots[0] % n, open_slots[0] - open_slots[0] % n + n)
        for trial in self.study.get_trials(deepcopy=False):
            slot = trial.user_attrs["slot"]
            if slot in batch and trial.user_attrs["role"] == "search":
                self._drawn[slot] = SampledParameters(slot, trial.params, trial.distributions)
        return [slot for slot in open_slots if slot in batch]

    def _failure(self, trial: FrozenTrial) -> tuple[int, str] | None:
        """Number and reason of a closed trial, "" if it did not fail; None for one that is open again or whose process
        died, which has a rule of its own."""
        if trial.user_attrs.get("died") or trial.number in self.study.user_attrs.get("reopened", []):
            return None
        return trial.number, trial.user_attrs.get("reason", "")

    def _stop_if_hopeless(self) -> None:
        """After trials in a row that failed for one cause."""
        last = self._told[-1][1] if self._told else ""
        n = sum(1 for _ in takewhile(lambda told: told[1] == last, reversed(self._told))) if last else 0
        if n >= MAX_EQUAL_FAILURES:
            self._give_up(n, f"{n} trials in a row failed")

    def _give_up(self, n: int, what: str) -> NoReturn:
        """Opens the slots of the last `n` closed trials again and raises PipelineError with the reason of the last."""
        failed = [told for told in self._told[-n:] if told[1]]
        reopened = [*self.study.user_attrs.get("reopened", []), *(number for number, _ in failed)]
        self.study.set_user_attr("reopened", reopened)
        why = f" with: {failed[-1][1]}" if failed else ""
        raise PipelineError(f"{what}{why}; mend the cause and search again, which trains them again")

    def _train(self, slots: list[int]) -> None:
        """Trains the slots, as many at a time as there are workers."""
        settings, running = self.experiment, list[_Running]()

        def jobs() -> Iterator[Job]:
            for slot in slots:
                self._stop_if_hopeless()
                running.append(self._ask(slot))
                config, seed = running[-1].config, slot_seed(settings.seed, slot)
                yield Job(config, self.development, seed, settings.objective, checkpoint=self._checkpoint(slot))

        def on_epoch(i: int, epoch: Epoch) -> bool:
            trial, score = running[i].trial, float(getattr(epoch, f"val_{settings.objective}"))
            running[i].record.epochs.append(epoch)
            trial.report(score, epoch.epoch)
            self.board.epoch(trial.number, epoch.epoch, _n_epochs(running[i].config), score)
            judge = running[i].judge
            return judge is None or not judge.stops(epoch.epoch, score)

        try:
            for i, result in self.executor.run(jobs(), on_epoch):
                self._close(running[i], result)
        finally:
            for left in running:
                self._close(left, None)

    def _ask(self, slot: int) -> _Running:
        """Starts the trial of a slot."""
        settings, given = self.experiment, self.experiment.given(slot)
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        earlier = [
            trial for trial in self.study.get_trials(deepcopy=False, states=states)
            if trial.user_attrs["slot"] not in self._drawn and trial.user_attrs["slot"] < slot
        ]  # fmt: skip
        judge: TrialPruner | None = None
        if given:
            (role, config), drawn = given, SampledParameters(slot, {}, {})
        else:
            mates = [d for d in self._drawn.values() if d.slot < slot]
            drawn = self._drawn_before(slot) or sample_parameters(settings, slot, earlier, mates)
            role, config = "search", own_options({**settings.fixed, **drawn.params})
            judge = TrialPruner(settings, slot, _n_epochs(config), earlier)
            self._drawn[slot] = drawn
        started_ms = time.time_ns() // 1_000_000
        attrs = {"slot": slot, "role": role, "config": config, "started_ms": started_ms, "sampler": dict(drawn.memory)}
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=dict(drawn.params), distributions=dict(drawn.distributions),
                user_attrs=attrs,
            )
        )  # fmt: skip
        trial = Trial(self.study, self.study.get_trials(deepcopy=False)[-1]._trial_id)
        record = self.tracker.start(run_name(trial.number), role, config, slot_seed(settings.seed, slot), started_ms)
        self.board.epoch(trial.number, 0, _n_epochs(config), None)
        return _Running(trial, slot, config, record, judge)

    def _drawn_before(self, slot: int) -> SampledParameters | None:
        """What an interrupted or dead trial of the slot was given."""
        for trial in reversed(self.study.get_trials(deepcopy=False)):
            if trial.user_attrs["slot"] == slot:
                return SampledParameters(slot, trial.params, trial.distributions, trial.user_attrs["sampler"])
        return None

    def _checkpoint(self, slot: int) -> Path:
        return self.checkpoints / f"slot-{slot:04d}.checkpoint"

    def _close(self, running: _Running, result: Result | None) -> None:
        """Stores everything with the trial, tells Optuna, then closes the run; None: interrupted, if not closed yet."""
        trial, study = running.trial, self.study
        if study.get_trials(deepcopy=False)[trial.number].state.is_finished():
            return
        state, frozen = self._tell(running, result)
        self.journal.sync()  # from here on the trial is safe
        if result and not (isinstance(result, Failed) and result.died):
            self._checkpoint(running.slot).unlink(missing_ok=True)
        if not self.reproducible:
            self._drawn.pop(running.slot, None)
        of_trial, reason = summary(frozen), frozen.user_attrs.get("reason", "")
        running.record.finish(state, of_trial, reason)
        if result and (told := self._failure(frozen)) is not None:
            self._told.append(told)
        if state == "complete":
            best = self._compare(closed := row(frozen))
            self.tracker.log_study({"best_score": best}, trial.number, closed["ended_ms"])
        self.board.closed(trial.number, state, of_trial.get("score"), reason)

    def _compare(self, complete: dict[str, Any]) -> float:
        """Score of the best trial so far, this complete one included."""
        self._best = best_trial([complete, *([self._best] if self._best else [])])
        self.board.best = self._best["score"], self._best["number"]
        return float(self._best["score"])

    def _tell(self, running: _Running, result: Result | None) -> tuple[str, FrozenTrial]:
        """State and what Optuna made of it."""
        trial, epochs = running.trial, running.record.epochs
        trial.set_user_attr("curves", [vars(epoch) for epoch in epochs])
        if result is None:
            return "interrupted", self.study.tell(trial, state=TrialState.FAIL)
        if isinstance(result, Failed):
            trial.set_user_attr("died", result.died)
            trial.set_user_attr("reason", result.reason)
            return "failed", self.study.tell(trial, state=TrialState.FAIL)
        if running.judge:
            trial.set_user_attr("pruner", running.judge.memory)
        told = epochs[result.best_epoch - 1 if isinstance(result, Finished) else -1]
        for key, bound in self.experiment.constraints.items():
            trial.set_constraint(key, bound.violation(getattr(told, key)))
        if isinstance(result, Stopped):
            return "pruned", self.study.tell(trial, state=TrialState.PRUNED)
        return "complete", self.study.tell(trial, result.score)


def _n_epochs(config: Configuration) -> int:
    return int(config["n_epochs"])
