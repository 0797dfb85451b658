"""The search coordinator: samples trials, has them trained, stores the results, and shows them in MLflow.

It alone writes the journal and MLflow, so any trial that is running at the start comes from a crash. A trial fills a
slot; an interrupted slot is trained again with the same decisions, so that an interrupted search ends with the trials
of an uninterrupted one.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import Trial, TrialState

from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import PipelineError
from pipeline.execution.executor import Executor
from pipeline.execution.job import Failed, Finished, Job, Result, Stopped
from pipeline.execution.progress import Tally, TrainingProgress
from pipeline.experiment.experiment import Experiment
from pipeline.search.sampling import running_trial
from pipeline.search.selection import best_trial
from pipeline.search.slots import FailurePolicy, Proposal, Slots
from pipeline.search.study import OpenStudy
from pipeline.search.trials import EndedTrial, read_trial, results, run_name, slot_seed
from pipeline.tracking.mlflow import now_ms
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import RunRecord
from pipeline.tracking.tracker import Tracker


@dataclass
class _Running:
    """A trial in training."""

    trial: Trial
    proposal: Proposal
    record: RunRecord

    @property
    def n_epochs(self) -> int:
        return int(self.proposal.config["n_epochs"])


class Coordinator:
    """Trains until every slot of the budget is filled; each ended trial is stored at once."""

    def __init__(
        self,
        study: OpenStudy,
        experiment: Experiment,
        executor: Executor,
        tracker: Tracker,
        *,
        reproducible: bool = True,
    ) -> None:
        """reproducible: see Slots."""
        self.study, self.experiment, self.executor, self.tracker = study, experiment, executor, tracker
        self.slots = Slots(study.optuna, experiment, reproducible=reproducible)
        self.failures = FailurePolicy(self.slots)
        self.best: EndedTrial | None = None
        n_slots = experiment.n_slots
        states = Counter(trial.state for trial in self.slots.ended)
        self.progress = TrainingProgress(experiment.name, Tally(n_slots, n_slots - len(self.slots.open()), states))
        for trial in results(self.slots.ended, experiment):
            self._compare(trial)

    def run(self, development: Path) -> None:
        """Raise PipelineError if trials keep failing for one cause, or if none is complete."""
        try:
            with self.progress:
                while open_slots := self.slots.open():
                    self._train(self.slots.next_batch(open_slots), development)
            if not self.best:
                raise self.failures.give_up("no trial is complete; the last one failed")
        except PipelineError as error:
            self.tracker.end("failed", str(error))
            raise
        self.tracker.study.log("score", self.best.score or 0.0, 0, at_ms=self.best.ended_ms)
        self.tracker.end("complete", winner=self.best.name)

    def _train(self, slots: list[int], development: Path) -> None:
        """Train the slots, as many in parallel as there are workers."""
        running: list[_Running] = []

        def jobs() -> Iterator[Job]:
            for slot in slots:
                self.failures.check()
                running.append(self._start(self.slots.propose(slot)))
                config, seed = running[-1].proposal.config, slot_seed(self.experiment.seed, slot)
                yield Job(config, development, seed, self.experiment.objective, checkpoint=self._checkpoint(slot))

        def on_epoch(i: int, epoch: Epoch) -> bool:
            score = float(getattr(epoch, f"val_{self.experiment.objective}"))
            running[i].record.epochs.append(epoch)
            running[i].trial.report(score, epoch.epoch)
            self.progress.epoch(running[i].trial.number, epoch.epoch, running[i].n_epochs, score)
            pruner = running[i].proposal.pruner
            return pruner is None or not pruner.stops(epoch.epoch, score)

        try:
            for i, result in self.executor.run(jobs(), on_epoch):
                self._close(running[i], result)
        finally:
            for unfinished in running:
                self._close(unfinished, None)

    def _start(self, proposal: Proposal) -> _Running:
        """Store the trial of a slot before it is trained."""
        study, started_ms = self.study.optuna, now_ms()
        attrs = {key: getattr(proposal, key) for key in ("slot", "role", "config")}
        attrs |= {"started_ms": started_ms, "sampler": dict(proposal.sampled.memory)}
        study.add_trial(running_trial(proposal.sampled, attrs))
        trial = Trial(study, study.get_trials(deepcopy=False)[-1]._trial_id)
        seed = slot_seed(self.experiment.seed, proposal.slot)
        record = self.tracker.start(run_name(trial.number), Role(proposal.role), proposal.config, seed, started_ms)
        running = _Running(trial, proposal, record)
        self.progress.epoch(trial.number, 0, running.n_epochs, None)
        return running

    def _close(self, running: _Running, result: Result | None) -> None:
        """Store the result, then close the run; None: interrupted, unless it is closed already."""
        study, slot = self.study.optuna, running.proposal.slot
        if study.get_trials(deepcopy=False)[running.trial.number].state.is_finished():
            return
        _store(running, result, self.study, self.experiment)
        self.study.journal.sync()  # from here on the trial is safe
        if result and not (isinstance(result, Failed) and result.died):
            self._checkpoint(slot).unlink(missing_ok=True)
        ended = read_trial(study.get_trials(deepcopy=False)[running.trial.number])
        self.slots.closed(ended)
        running.record.finish(ended.state, ended.metrics(), ended.reason)
        self.failures.add(ended)
        if self._compare(ended) and self.best:
            self.tracker.study.log("best_score", self.best.score or 0.0, ended.number, at_ms=ended.ended_ms)
        self.progress.closed(ended.number, ended.state, ended.score, ended.reason)

    def _compare(self, trial: EndedTrial) -> bool:
        """Keep the better of a complete trial and the best so far; return whether it is complete."""
        if trial.state != "complete":
            return False
        self.best = best_trial([trial, *([self.best] if self.best else [])])
        self.progress.best = self.best.score or 0.0, self.best.number
        return True

    def _checkpoint(self, slot: int) -> Path:
        return self.study.folder / f"slot-{slot:04d}.checkpoint"


def _store(running: _Running, result: Result | None, study: OpenStudy, experiment: Experiment) -> None:
    """Store the outcome of the trial in the study."""
    trial, epochs = running.trial, running.record.epochs
    trial.set_user_attr("curves", [vars(epoch) for epoch in epochs])
    if isinstance(result, Failed):
        trial.set_user_attr("died", result.died)
        trial.set_user_attr("reason", result.reason)
    if result is None or isinstance(result, Failed):
        study.optuna.tell(trial, state=TrialState.FAIL)
        return
    if running.proposal.pruner:
        trial.set_user_attr("pruner", running.proposal.pruner.memory)
    kept = epochs[result.best_epoch - 1 if isinstance(result, Finished) else -1]
    for key, bound in experiment.constraints.items():
        trial.set_constraint(key, bound.violation(getattr(kept, key)))
    if isinstance(result, Stopped):
        study.optuna.tell(trial, state=TrialState.PRUNED)
    else:
        study.optuna.tell(trial, result.score)
