"""The search coordinator: samples trials, has them trained, stores the results, and shows them in MLflow.

It alone writes the journal and MLflow, so any trial that is running at the start comes from a crash. A trial fills a
slot; an interrupted slot is trained again with the same decisions, so that an interrupted search ends with the trials
of an uninterrupted one. With rungs, a trial remains open until others are preferred to it, or it reaches the last.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from optuna.trial import Trial, TrialState

from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import PipelineError
from pipeline.execution.executor import Executor
from pipeline.execution.job import Failed, Job, Result
from pipeline.execution.progress import Tally, TrainingProgress
from pipeline.experiment.experiment import Experiment
from pipeline.search.cost_limit import IsAffordable
from pipeline.search.halving import Halving, Task
from pipeline.search.sampling import TrialPruner, running_trial
from pipeline.search.selection import best_trial
from pipeline.search.slots import FailurePolicy, Proposal, Slots
from pipeline.search.storing import is_trained_again, score_of, store_rung, store_whole, stored, trial_of
from pipeline.search.study import OpenStudy
from pipeline.search.trials import EndedTrial, results, run_name, slot_seed
from pipeline.tracking.mlflow import now_ms
from pipeline.tracking.run_record import RunRecord
from pipeline.tracking.tracker import Tracker
from pipeline.training.length import Length


@dataclass
class _Running:
    """A task in training."""

    task: Task
    trial: Trial
    pruner: TrialPruner | None
    record: RunRecord
    epochs: list[Epoch] = field(default_factory=list)
    is_closed: bool = False

    @property
    def key(self) -> int | str:
        """Return what the progress shows it as."""
        return f"{self.trial.number}.{self.task.repeat + 1}" if self.task.repeat else self.trial.number

    @property
    def n_epochs(self) -> int:
        return int(self.record.params["n_epochs"])


class Coordinator:
    """Trains until every slot of the budget is filled; each result is stored at once."""

    def __init__(
        self,
        study: OpenStudy,
        experiment: Experiment,
        executor: Executor,
        tracker: Tracker,
        is_affordable: IsAffordable = lambda config: True,
        *,
        reproducible: bool = True,
    ) -> None:
        """is_affordable: whether a configuration may be drawn; reproducible: see Slots."""
        self.study, self.experiment, self.executor, self.tracker = study, experiment, executor, tracker
        self.halving = Halving(experiment) if experiment.fidelity else None
        self.slots = Slots(study.optuna, experiment, is_affordable, reproducible=reproducible)
        self.failures = FailurePolicy(self.slots)
        self.best: EndedTrial | None = None
        n_slots, ended = experiment.n_slots, self.slots.ended
        whole = Tally(n_slots, n_slots - len(self.slots.open()), Counter(trial.state for trial in ended))
        self.progress = TrainingProgress(experiment.name, self.halving.tally(self._within()) if self.halving else whole)
        for trial in results(self.slots.ended, experiment):
            self._compare(trial)

    def run(self, development: Path) -> None:
        """Raise PipelineError if trials keep failing for one cause, or if none is complete."""
        try:
            with self.progress:
                for trial in self._open():  # a kill between the failure of the last seed and the end of the trial
                    if any(trial.failed_at(rung, n) for rung, n in enumerate(self._n_seeds)):
                        self._end(trial_of(self.study.optuna, trial.number), TrialState.FAIL)
                while open_slots := self.slots.open():
                    batch = self.slots.next_batch(open_slots)
                    first = self.halving.first_tasks(batch, self.slots.ended) if self.halving else map(Task, batch)
                    self._train(list(first), development)
                if self.halving:
                    self._climb(self.halving, development)
            if not self.best:
                raise self.failures.give_up("no trial is complete; the last one failed")
        except PipelineError as error:
            self.tracker.end("failed", str(error))
            raise
        finally:
            for trial in self._open():
                if record := self.tracker.record(trial.name):
                    record.finish("interrupted", {})
        self.tracker.study.log("score", self.best.score or 0.0, 0, at_ms=self.best.ended_ms)
        self.tracker.end("complete", winner=self.best.name)

    def _climb(self, halving: Halving, development: Path) -> None:
        """Train the best of each family at one rung after the other, and close the others."""
        last = len(halving.rungs) - 1
        for rung in range(1, last + 1):
            while tasks := halving.tasks(self._within(), rung):
                self._train(tasks, development)
            going_on = {trial.number for trial in halving.reaching(self._within(), rung)}
            for trial in [trial for trial in self._within() if trial.state == "open"]:
                if trial.number not in going_on:
                    self._end(trial_of(self.study.optuna, trial.number), TrialState.PRUNED)
        for trial in [trial for trial in self._within() if trial.state == "open"]:
            self._end(trial_of(self.study.optuna, trial.number), TrialState.COMPLETE)

    def _train(self, tasks: Sequence[Task], development: Path) -> None:
        """Train the tasks, as many in parallel as there are workers."""
        running: list[_Running] = []

        def jobs() -> Iterator[Job]:
            for task in tasks:
                self.failures.check()
                running.append(self._start(task))
                yield self._job(running[-1], development)

        def on_epoch(i: int, epoch: Epoch) -> bool:
            score, each = score_of(self.experiment, epoch), running[i]
            each.epochs.append(epoch)
            self.progress.epoch(each.key, epoch.epoch, each.n_epochs, score)
            if each.task.rung is not None:
                return True
            each.record.epochs.append(epoch)
            if not self.halving:  # else a trial may be continued, and has these steps already
                each.trial.report(score, epoch.epoch)
            return each.pruner is None or not each.pruner.stops(epoch.epoch, score)

        try:
            for i, result in self.executor.run(jobs(), on_epoch):
                self._close(running[i], result)
        finally:
            for unfinished in running:
                self._close(unfinished, None)

    def _job(self, running: _Running, development: Path) -> Job:
        task, fidelity = running.task, self.experiment.fidelity
        length = Length()
        if fidelity and task.rung is not None:
            stops = fidelity.stops(task.rung)
            length = Length() if stops == (1.0,) else Length(stops, whole=fidelity.schedule == "whole")
        return Job(
            running.record.params,
            development,
            slot_seed(self.experiment.seed, task.slot, task.repeat),
            self.experiment.objective,
            checkpoint=self._checkpoint(task),
            length=length,
        )

    def _start(self, task: Task) -> _Running:
        """Store the trial of a slot before it is trained, or find that of an earlier rung."""
        waiting = [trial for trial in self._open() if trial.slot == task.slot]
        if waiting:
            trial, pruner = trial_of(self.study.optuna, waiting[0].number), None
        else:
            proposal = self.slots.propose(task.slot)
            trial, pruner = self._add_trial(proposal), proposal.pruner
        record = self.tracker.record(run_name(trial.number))
        record = record or self.tracker.start(stored(trial).record(self.experiment.seed, self._n_seeds))
        running = _Running(task, trial, pruner, record)
        if self.halving:
            self.slots.closed(stored(trial))
        self.progress.epoch(running.key, 0, running.n_epochs, None)
        return running

    def _add_trial(self, proposal: Proposal) -> Trial:
        attrs = {key: getattr(proposal, key) for key in ("slot", "role", "config")}
        attrs |= {"started_ms": now_ms(), "sampler": dict(proposal.sampled.memory)}
        if self.halving:  # remains open when it is interrupted, and keeps its number
            attrs["rungs"] = []
        self.study.optuna.add_trial(running_trial(proposal.sampled, attrs))
        return trial_of(self.study.optuna, len(self.study.optuna.get_trials(deepcopy=False)) - 1)

    def _close(self, running: _Running, result: Result | None) -> None:
        """Store the result of a task; None: interrupted, unless it is closed already."""
        if running.is_closed:
            return
        running.is_closed = True
        if running.task.rung is not None:
            self._close_rung(running, result, running.task.rung)
            return
        n_epochs = len(running.epochs)
        if self.halving and (result is None or is_trained_again(running.trial, running.task, result, n_epochs)):
            self.progress.closed(running.key, "interrupted", None)
            return
        if self.halving and isinstance(result, Failed):
            result = replace(result, died=False)  # its deaths are counted in the trial
        store_whole(running.trial, result, running.epochs, running.pruner, self.experiment)
        is_safe = result and not (isinstance(result, Failed) and result.died)
        self._closed(running.trial, [self._checkpoint(running.task)] if is_safe else [])
        ended = stored(running.trial)
        self.progress.closed(running.key, ended.state, ended.score, ended.reason)

    def _close_rung(self, running: _Running, result: Result | None, rung: int) -> None:
        """Store the score of a rung; the trial fails once it has failed under every seed."""
        trial = running.trial
        score = store_rung(trial, running.task, result, running.epochs, self.experiment) if result else None
        if score is None:
            self.progress.closed(running.key, "interrupted", None)
            return
        state = "failed" if score.score is None else f"at rung {rung}"
        self.progress.closed(running.key, state, score.score, score.reason)
        if stored(trial).failed_at(rung, self._n_seeds[rung]):
            self._end(trial, TrialState.FAIL)
            return
        self.study.journal.sync()
        self.slots.closed(stored(trial))
        running.record.rungs = stored(trial).points(self._n_seeds)

    def _end(self, trial: Trial, state: TrialState) -> None:
        """Close a trial on rungs as complete, pruned or failed."""
        ended = stored(trial)
        self.study.optuna.tell(trial, ended.score if state == TrialState.COMPLETE else None, state)
        repeats = range(max(self._n_seeds))
        self._closed(trial, [self._checkpoint(Task(ended.slot, 0, repeat)) for repeat in repeats])

    def _closed(self, trial: Trial, checkpoints: Sequence[Path]) -> None:
        """Make the result of a trial safe, close its run, and delete the checkpoints that it no longer needs."""
        self.study.journal.sync()  # from here on the trial is safe
        for checkpoint in checkpoints:
            checkpoint.unlink(missing_ok=True)
        ended = stored(trial)
        self.slots.closed(ended)
        if record := self.tracker.record(ended.name):
            record.rungs = ended.points(self._n_seeds)
            record.finish(ended.state, ended.metrics(), ended.reason)
        self.failures.add(ended)
        if self._compare(ended) and self.best:
            self.tracker.study.log("best_score", self.best.score or 0.0, ended.number, at_ms=ended.ended_ms)

    def _compare(self, trial: EndedTrial) -> bool:
        """Keep the better of a complete trial and the best so far; return whether it is complete."""
        if trial.state != "complete" or trial.role == "reference" or (self.halving and not trial.rungs):
            return False
        self.best = best_trial([trial, *([self.best] if self.best else [])])
        self.progress.best = self.best.score or 0.0, self.best.number
        return True

    @property
    def _n_seeds(self) -> list[int]:
        return [rung.seeds for rung in self.halving.rungs] if self.halving else [1]

    def _within(self) -> list[EndedTrial]:
        """Return the trials within the budget: lowering `trials` leaves others open."""
        return results(self.slots.ended, self.experiment)

    def _open(self) -> list[EndedTrial]:
        return [trial for trial in self.slots.ended if trial.state == "open"]

    def _checkpoint(self, task: Task) -> Path:
        repeat = f"-{task.repeat}" if task.repeat else ""
        return self.study.folder / f"slot-{task.slot:04d}{repeat}.checkpoint"
