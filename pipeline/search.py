"""The search coordinator: asks Optuna for trials, has them trained, tells the results, tracks them in MLflow.

It alone writes the journal and MLflow, so any trial found running at the start was left by a crash. A trial
fills a slot; what an interruption left is trained again in the same slot, and what sampler and pruner decide is a
function of seed, slot and earlier batches, so that an interrupted search ends with the trials of an uninterrupted one.
"""

import copy
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from pipeline.config import Flat, Scalar, own_options
from pipeline.errors import PipelineError
from pipeline.files import locked
from pipeline.seeds import derive_seed
from pipeline.space import Experiment, Leaf
from pipeline.tracking import Tracker
from pipeline.training import Epoch
from pipeline.workers import Failed, Finished, Job, LocalExecutor

MAX_WORKER_DEATHS = 2  # per slot: the cause may lie outside the trial once, hardly twice
MAX_EQUAL_FAILURES = 5  # in a row: then the experiment is at fault, not the draw

STATE = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}

optuna.logging.set_verbosity(optuna.logging.WARNING)


def digest(value: Any) -> str:
    """sha256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def study_name(experiment: Experiment, made_by: dict[str, str]) -> str:
    """`<experiment>@<hash>` of space, data, code, versions and workers: a changed search is another study."""
    return f"{experiment.name}@{digest([experiment.identity(), made_by])[:8]}"


@contextmanager
def open_study(state: Path, name: str, experiment: Experiment) -> Iterator[optuna.Study]:
    """Creates or resumes the study in `state/<name>`. Raises BusyError if another process searches in it."""
    folder = state / name
    with locked(folder / "lock", f"study {name}"):
        journal = folder / "journal.log"
        Path(f"{journal}.lock").unlink(missing_ok=True)  # ours now, whoever died holding it
        if journal.exists():
            _drop_half_line(journal)
        backend = JournalFileBackend(str(journal), JournalFileOpenLock(str(journal)))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if experiment.pruner.name == "median":
            pruner = optuna.pruners.MedianPruner(experiment.pruner.startup_trials)  # its steps are epochs, from 1
        yield optuna.create_study(
            storage=JournalStorage(backend), study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
        )


def _drop_half_line(journal: Path) -> None:
    """Cuts off what a kill in mid-write left behind the last whole line."""
    whole = journal.read_bytes().rfind(b"\n") + 1
    if whole < journal.stat().st_size:
        os.truncate(journal, whole)


@dataclass
class _Running:
    """A trial in training."""

    trial: Trial
    slot: int
    role: str
    config: Flat
    run_id: str
    epochs: list[Epoch]
    earlier: optuna.Study  # what the pruner compares it with


class Coordinator:
    """Trains until every slot of the budget is filled; each finished trial is kept whatever happens next."""

    def __init__(
        self, study: optuna.Study, experiment: Experiment, development: Path, executor: LocalExecutor, tracker: Tracker
    ) -> None:
        self.study, self.experiment, self.development = study, experiment, development
        self.executor, self.tracker = executor, tracker

    def run(self) -> None:
        """Raises PipelineError if trials keep failing for one cause, or if none was completed."""
        self._close_left_open()
        try:
            with tqdm(total=self.experiment.trials, desc=self.experiment.name, unit="trial") as bar:
                while open_slots := self._open_slots():
                    self._stop_if_hopeless()
                    bar.update(self.experiment.trials - len(open_slots) - bar.n)
                    self._train_batch(open_slots, bar)
                bar.update(self.experiment.trials - bar.n)
            best = best_trial(finished_trials(self.study, self.experiment))
        except PipelineError as error:
            self.tracker.finish(self.tracker.run_id, "failed", {}, str(error))
            raise
        except BaseException:
            self.tracker.finish(self.tracker.run_id, "interrupted", {})
            raise
        self.tracker.finish(self.tracker.run_id, "complete", {"score": best["score"]})

    def _close_left_open(self) -> None:
        """Closes trials and runs that a killed coordinator left; a run follows the state of its trial."""
        while self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.study.ask()  # takes what was queued and never started; closed with the others
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
        by_run = {t.user_attrs.get("run_id"): t for t in self.study.get_trials(deepcopy=False)}
        for run_id in self.tracker.open_runs():
            owner = by_run.get(run_id)
            if owner is None or _interrupted(owner):
                self.tracker.finish(run_id, "interrupted", {})
            else:
                self.tracker.finish(run_id, STATE[owner.state], _summary(owner), owner.user_attrs.get("reason", ""))

    def _open_slots(self) -> list[int]:
        """Slots whose trial is still to be trained, or trained again."""
        deaths = dict.fromkeys(range(self.experiment.trials), 0)
        for trial in self.study.get_trials(deepcopy=False, states=tuple(STATE)):
            slot = trial.user_attrs.get("slot")
            if slot in deaths and not _interrupted(trial):
                deaths[slot] += 1 if trial.user_attrs.get("died") else MAX_WORKER_DEATHS
        return [slot for slot, n in deaths.items() if n < MAX_WORKER_DEATHS]

    def _stop_if_hopeless(self) -> None:
        trials = self.study.get_trials(deepcopy=False, states=tuple(STATE))
        last = [trial for trial in trials if not _interrupted(trial)][-MAX_EQUAL_FAILURES:]
        reasons = {trial.user_attrs.get("reason") for trial in last}
        if len(last) == MAX_EQUAL_FAILURES and len(reasons) == 1 and None not in reasons:
            raise PipelineError(
                f"{MAX_EQUAL_FAILURES} trials in a row failed with: {reasons.pop()}; mend the experiment"
            )

    def _train_batch(self, open_slots: list[int], bar: "tqdm[Any]") -> None:
        """Trains the open slots of one batch side by side. Batches are the same slots wherever a search was stopped."""
        n = self.executor.n_workers
        first = open_slots[0] - open_slots[0] % n
        asked = self._before(first)
        batch: list[_Running] = []

        def on_epoch(i: int, epoch: Epoch) -> bool:
            running = batch[i]
            score = float(getattr(epoch, f"val_{self.experiment.objective}"))
            running.epochs.append(epoch)
            self.tracker.log_epoch(running.run_id, epoch)
            running.trial.report(score, epoch.epoch)
            bar.set_postfix_str(f"trial {running.trial.number} epoch {epoch.epoch} val {score:.4f}", refresh=False)
            warm = epoch.epoch > self.experiment.pruner.warmup * _n_epochs(running.config)
            if running.role == "baseline" or not warm:  # the winner is compared with a baseline trained to its end
                return True
            frozen = self.study.get_trials(deepcopy=False)[running.trial.number]
            return not self.study.pruner.prune(running.earlier, frozen)

        try:
            for slot in range(first, first + n):
                if slot in open_slots:
                    batch.append(self._ask(slot, first, asked))
                elif slot and slot < self.experiment.trials:
                    asked.sampler = _sampler(self.experiment, slot)
                    self._draw(asked.ask())  # drawn before an interruption; the others of the batch saw it running
            settings = self.experiment
            jobs = [Job(r.config, self.development, _seed(settings, r.slot), settings.objective) for r in batch]
            for i, result in self.executor.run(jobs, on_epoch):
                self._close(batch[i], result)
                bar.update()
        finally:
            for running in batch:
                self._close(running, None)
        if complete := [t for t in finished_trials(self.study, self.experiment) if t["state"] == "complete"]:
            self.tracker.log_study({"best_score": max(t["score"] for t in complete)}, step=first + len(batch))

    def _before(self, first: int, n_epochs: int | None = None) -> optuna.Study:
        """The trials of earlier batches in the order of their slots, as a study in memory.

        All that sampler and pruner look at: what they decide then depends neither on which trial of a batch was
        faster nor on where a search was stopped. n_epochs: scores stand at the same share of a schedule of so many
        epochs; two schedules of different length say nothing about each other at equal epochs.
        """
        view = optuna.create_study(direction="maximize")
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        earlier = sorted((t for t in trials if t.user_attrs["slot"] < first), key=lambda t: t.user_attrs["slot"])
        view.add_trials([stretched(trial, n_epochs) for trial in earlier] if n_epochs else earlier)
        return view

    def _ask(self, slot: int, first: int, asked: optuna.Study) -> _Running:
        """Starts the trial of a slot: the baseline in slot 0, in all others a draw, which `asked` then holds too."""
        # the baseline may leave the space, so the sampler is told no parameters of it and learns nothing from it
        role, config, params = "baseline", self.experiment.baseline, {}
        if slot:
            asked.sampler = _sampler(self.experiment, slot)
            drawn = asked.ask()  # stays running there, so that the next draw of the batch keeps away from it
            role, config = "search", own_options(self._draw(drawn))
            params = drawn.params
        self.study.enqueue_trial(params)
        trial = self.study.ask()
        trial.set_user_attr("slot", slot)
        if slot:
            self._draw(trial)
        trial.set_user_attr("role", role)
        trial.set_user_attr("config", config)
        run_id = self.tracker.start(f"trial-{trial.number:04d}", role, config, _seed(self.experiment, slot))
        trial.set_user_attr("run_id", run_id)
        return _Running(trial, slot, role, config, run_id, [], self._before(first, _n_epochs(config)))

    def _draw(self, trial: Trial) -> Flat:
        drawn: Flat = dict(self.experiment.fixed)
        for leaf in self.experiment.space:
            if leaf.active(drawn):
                drawn[leaf.key] = _suggest(trial, leaf)
        return drawn

    def _close(self, running: _Running, result: Finished | Failed | None) -> None:
        """Stores everything with the trial, tells Optuna, then closes the run; None: interrupted, if not closed yet."""
        trial, study = running.trial, self.study
        if study.get_trials(deepcopy=False)[trial.number].state.is_finished():
            return
        trial.set_user_attr("curves", [asdict(epoch) for epoch in running.epochs])
        if isinstance(result, Finished) and not result.stopped:
            state, frozen = "complete", study.tell(trial, result.score)
        elif isinstance(result, Finished):
            state, frozen = "pruned", study.tell(trial, state=TrialState.PRUNED)
        else:
            state = "failed" if result else "interrupted"
            if result:
                trial.set_user_attr("died", result.died)
                trial.set_user_attr("reason", result.reason)
                tqdm.write(f"trial {trial.number} failed: {result.reason}")
            frozen = study.tell(trial, state=TrialState.FAIL)
        self.tracker.finish(running.run_id, state, _summary(frozen), frozen.user_attrs.get("reason", ""))


def _n_epochs(config: Flat) -> int:
    return int(config["n_epochs"])


def stretched(trial: FrozenTrial, n_epochs: int) -> FrozenTrial:
    """A copy in which the score of epoch k of K stands at the epochs of `n_epochs` of the same share."""
    stretched = copy.deepcopy(trial)
    share = _n_epochs(trial.user_attrs["config"]) / n_epochs
    values = {epoch: trial.intermediate_values.get(max(1, round(epoch * share))) for epoch in range(1, n_epochs + 1)}
    stretched.intermediate_values = {epoch: value for epoch, value in values.items() if value is not None}
    return stretched


def _interrupted(trial: FrozenTrial) -> bool:
    """Left by a crash or a Ctrl-C of the coordinator: no fault of the trial, which gave no reason."""
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def _sampler(experiment: Experiment, slot: int) -> BaseSampler:
    seed = derive_seed(experiment.seed, "sampler", slot)
    if experiment.sampler.name == "random":
        return RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # conditional spaces need `group`
        return TPESampler(n_startup_trials=experiment.sampler.startup_trials, multivariate=True, group=True, seed=seed)


def _suggest(trial: Trial, leaf: Leaf) -> Scalar:
    if leaf.choices:
        return cast(Scalar, trial.suggest_categorical(leaf.key, leaf.choices))
    if leaf.integer:
        return trial.suggest_int(leaf.key, int(leaf.low), int(leaf.high), step=int(leaf.step or 1), log=leaf.log)
    return trial.suggest_float(leaf.key, leaf.low, leaf.high, step=leaf.step, log=leaf.log)


def _seed(experiment: Experiment, slot: int) -> int:
    return derive_seed(experiment.seed, "trial", slot)


def _summary(trial: FrozenTrial) -> dict[str, float]:
    """score: best over the epochs, on val; epochs; seconds of training. Score is missing where no epoch ended."""
    curves = trial.user_attrs.get("curves", [])
    seconds = sum(epoch["seconds"] for epoch in curves)
    score = trial_score(trial)
    return {"epochs": len(curves), "seconds": seconds} | ({} if score is None else {"score": score})


def trial_score(trial: FrozenTrial) -> float | None:
    """The told value; of a pruned trial the best it had reported."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    return max(trial.intermediate_values.values(), default=None)


def finished_trials(study: optuna.Study, experiment: Experiment) -> list[dict[str, Any]]:
    """One mapping per trial within the budget: its row of trials.csv, its `config` and its `curves`.

    A slot whose worker died once has two: the failed one and the one that was trained again.
    """
    rows = []
    trials = study.get_trials(deepcopy=False, states=tuple(STATE))
    for trial in sorted(trials, key=lambda t: (t.user_attrs.get("slot", -1), t.number)):
        budgeted = trial.user_attrs.get("slot", experiment.trials) < experiment.trials
        if budgeted and "run_id" in trial.user_attrs and not _interrupted(trial):
            values = {"score": None, **_summary(trial)}
            attributes = {key: trial.user_attrs[key] for key in ("run_id", "role", "config", "curves")}
            rows.append({"number": trial.number, "state": STATE[trial.state], **values, **attributes})
    return rows


def best_trial(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the complete ones that of highest score, the earlier of equals. Raises PipelineError if there is none."""
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        raise PipelineError("no trial was completed; the reasons stand in the table of trials and in MLflow")
    return max(complete, key=lambda trial: (trial["score"], -trial["number"]))
