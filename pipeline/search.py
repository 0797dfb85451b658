"""The search coordinator: asks Optuna for trials, has them trained, tells the results, tracks them in MLflow.

It alone writes the journal and MLflow, so any trial found running at the start was left by a crash. A trial
fills a slot; what an interruption left is trained again in the same slot with the same draw, and the sampler
is seeded by slot, so that an interrupted search ends with the trials of an uninterrupted one.
"""

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


def study_name(experiment: Experiment, hashes: dict[str, str]) -> str:
    """`<experiment>@<hash>` of space, data, code and versions: a changed search is another study."""
    text = json.dumps([experiment.identity(), hashes], sort_keys=True, default=str)
    return f"{experiment.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
            # Optuna's steps are epochs, from 1
            settings = experiment.pruner
            pruner = optuna.pruners.MedianPruner(settings.startup_trials, settings.warmup_epochs + 1)
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


def search(
    study: optuna.Study, experiment: Experiment, development: Path, executor: LocalExecutor, tracker: Tracker
) -> None:
    """Trains until every slot of the budget is filled; each finished trial is kept whatever happens next.

    Raises PipelineError if trials keep failing for one cause, or if none was completed.
    """
    _close_left_open(study, tracker)
    with tqdm(total=experiment.trials, desc=experiment.name, unit="trial") as bar:
        while open_slots := _open_slots(study, experiment.trials):
            bar.update(experiment.trials - len(open_slots) - bar.n)
            batch: list[_Running] = []
            try:
                # batches are the same slots however often the search was stopped in between
                first = open_slots[0] - open_slots[0] % executor.n_workers
                for slot in (s for s in open_slots if s < first + executor.n_workers):
                    batch.append(_ask(study, experiment, slot, tracker))  # noqa: PERF401 - what was asked must be closed
                _train(batch, _before(study, first), experiment, development, executor, tracker, bar)
            except BaseException:
                for running in batch:
                    _close(running, Failed("interrupted"), "interrupted", tracker)
                tracker.finish(tracker.run_id, "interrupted", {})
                raise
            _stop_if_hopeless(study)
            if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                tracker.log_study({"best_score": study.best_value}, step=experiment.trials - len(open_slots))
        bar.update(experiment.trials - bar.n)
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        tracker.finish(tracker.run_id, "failed", {})
        reasons = {t.user_attrs.get("reason", "") for t in study.get_trials(deepcopy=False)}
        raise PipelineError(f"no trial of {study.study_name} was completed: {'; '.join(sorted(reasons))}")
    tracker.finish(tracker.run_id, "complete", {"score": study.best_value})


def _close_left_open(study: optuna.Study, tracker: Tracker) -> None:
    """Closes trials and runs that a killed coordinator left; a run follows the state of its trial."""
    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.ask()  # takes what was queued and never started; closed with the others
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    by_run = {t.user_attrs.get("run_id"): t for t in study.get_trials(deepcopy=False)}
    for run_id in tracker.open_runs():
        owner = by_run.get(run_id)
        if owner is None or _interrupted(owner):
            tracker.finish(run_id, "interrupted", {})
        else:
            tracker.finish(run_id, STATE[owner.state], _summary(owner), owner.user_attrs.get("reason", ""))


def _interrupted(trial: FrozenTrial) -> bool:
    """Left by a crash or a Ctrl-C of the coordinator: no fault of the trial, which gave no reason."""
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def _open_slots(study: optuna.Study, n_slots: int) -> list[int]:
    """Slots whose trial is still to be trained, or trained again."""
    filled: dict[int, int] = {}
    for trial in study.get_trials(deepcopy=False, states=tuple(STATE)):
        if "slot" in trial.user_attrs and not _interrupted(trial):
            deaths = 1 if trial.user_attrs.get("died") else MAX_WORKER_DEATHS
            filled[trial.user_attrs["slot"]] = filled.get(trial.user_attrs["slot"], 0) + deaths
    return [slot for slot in range(n_slots) if filled.get(slot, 0) < MAX_WORKER_DEATHS]


def _ask(study: optuna.Study, experiment: Experiment, slot: int, tracker: Tracker) -> _Running:
    """Draws the configuration of a slot: the baseline in slot 0, the same draw again where one was interrupted."""
    study.sampler = _sampler(experiment, slot)
    trials = study.get_trials(deepcopy=False)
    earlier = [t for t in trials if t.user_attrs.get("slot") == slot and "config" in t.user_attrs]
    if earlier:
        study.enqueue_trial(earlier[-1].params)
    elif slot == 0:
        baseline = experiment.baseline
        study.enqueue_trial({leaf.key: baseline[leaf.key] for leaf in experiment.space if leaf.active(baseline)})
    trial = study.ask()
    trial.set_user_attr("slot", slot)
    drawn: Flat = dict(experiment.fixed)
    for leaf in experiment.space:
        if leaf.active(drawn):
            drawn[leaf.key] = _suggest(trial, leaf)
    role, config = ("baseline", experiment.baseline) if slot == 0 else ("search", own_options(drawn))
    trial.set_user_attr("role", role)
    trial.set_user_attr("config", config)
    run_id = tracker.start(f"trial-{trial.number:04d}", role, config, _seed(experiment, slot))
    trial.set_user_attr("run_id", run_id)
    return _Running(trial, slot, role, config, run_id, [])


def _before(study: optuna.Study, first: int) -> optuna.Study:
    """The complete trials of earlier batches, as a study: all that a pruner may look at.

    Those of the same batch would make pruning depend on where a search was stopped.
    """
    view = optuna.create_study(direction="maximize")
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    view.add_trials([trial for trial in complete if trial.user_attrs["slot"] < first])
    return view


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


def _train(
    batch: list[_Running],
    earlier: optuna.Study,
    experiment: Experiment,
    development: Path,
    executor: LocalExecutor,
    tracker: Tracker,
    bar: "tqdm[Any]",
) -> None:
    """Trains a batch of trials side by side and closes each; the batch is empty then."""

    def on_epoch(i: int, epoch: Epoch) -> bool:
        running = batch[i]
        running.epochs.append(epoch)
        score = float(getattr(epoch, f"val_{experiment.objective}"))
        tracker.log_epoch(running.run_id, epoch)
        running.trial.report(score, epoch.epoch)
        bar.set_postfix_str(
            f"trial {running.trial.number} epoch {epoch.epoch} {experiment.objective} {score:.4f}", refresh=False
        )
        # the baseline is what the winner is compared with: it is always trained to its end
        study = running.trial.study
        frozen = study.get_trials(deepcopy=False)[running.trial.number]
        return running.role == "baseline" or not study.pruner.prune(earlier, frozen)

    jobs = [Job(r.config, development, _seed(experiment, r.slot), experiment.objective) for r in batch]
    results = executor.run(jobs, on_epoch)
    for result in results:
        running = batch[0]
        state = "failed" if isinstance(result, Failed) else "pruned" if result.stopped else "complete"
        _close(running, result, state, tracker)
        batch.pop(0)
        bar.update()


def _close(running: _Running, result: Finished | Failed, state: str, tracker: Tracker) -> None:
    """Stores everything with the trial, tells Optuna, then closes the run."""
    trial, study = running.trial, running.trial.study
    trial.set_user_attr("curves", [asdict(epoch) for epoch in running.epochs])
    if isinstance(result, Finished):
        trial.set_user_attr("best_epoch", result.best_epoch)
        trial.set_user_attr("n_parameters", result.n_parameters)
    elif state != "interrupted":
        trial.set_user_attr("reason", result.reason)
        trial.set_user_attr("died", result.died)
        tqdm.write(f"trial {trial.number} failed: {result.reason}")
    if isinstance(result, Finished) and not result.stopped:
        frozen = study.tell(trial, result.score)
    else:
        frozen = study.tell(trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)
    tracker.finish(running.run_id, state, _summary(frozen), frozen.user_attrs.get("reason", ""))


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


def _stop_if_hopeless(study: optuna.Study) -> None:
    finished = study.get_trials(deepcopy=False, states=tuple(STATE))[-MAX_EQUAL_FAILURES:]
    reasons = {t.user_attrs.get("reason") for t in finished if t.state == TrialState.FAIL and not _interrupted(t)}
    if len(finished) == MAX_EQUAL_FAILURES and len(reasons) == 1 and all(t.state == TrialState.FAIL for t in finished):
        raise PipelineError(f"{MAX_EQUAL_FAILURES} trials in a row failed with: {reasons.pop()}; mend the experiment")


def finished_trials(study: optuna.Study) -> list[dict[str, Any]]:
    """One mapping per trial that fills a slot: number, state, score, seconds, epochs, run_id, role, config, curves."""
    rows = []
    for trial in study.get_trials(deepcopy=False, states=tuple(STATE)):
        if "run_id" in trial.user_attrs and not _interrupted(trial):
            values = {"score": None, **_summary(trial)}
            attributes = {key: trial.user_attrs[key] for key in ("run_id", "role", "config", "curves")}
            rows.append({"number": trial.number, "state": STATE[trial.state], **values, **attributes})
    return rows
