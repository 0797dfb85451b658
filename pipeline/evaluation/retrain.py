"""Retraining of winner and baseline under fresh seeds; finished ones are kept in .state/evaluate/."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.image_rows import ImageRows
from pipeline.artifacts.json_file import JsonFile
from pipeline.artifacts.runs import Origin
from pipeline.artifacts.samples import DataSource, Samples, write_samples
from pipeline.artifacts.search_result import SearchResult, StudyInfo
from pipeline.core import provenance
from pipeline.core.errors import DataError, PipelineError
from pipeline.core.files import locked
from pipeline.core.seeds import derive_seed
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.job import Failed, Finished, Job
from pipeline.execution.progress import Tally, TrainingProgress
from pipeline.execution.retry import EVALUATION
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.tracking.mlflow import now_ms
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import RunRecord, StudyRun
from pipeline.tracking.tracker import Tracker
from pipeline.training.network import ModelDescription


class RetrainingResult(JsonFile):
    """run.json: what `Finished` holds of a retraining, and when its epochs were trained."""

    best_epoch: int
    score: float
    description: ModelDescription
    n_parameters: int
    slices: list[tuple[int, float]]
    epochs: list[Epoch]
    started_ms: int  # since 1970

    @property
    def metrics(self) -> dict[str, float]:
        return {"score": self.score, "seconds": sum(epoch.seconds for epoch in self.epochs)}


@dataclass(frozen=True)
class Retraining:
    """A planned training. folder: keeps its weights and run.json, so that an interrupted evaluation resumes.

    data: written for the time of the training where the job reads them; None: the job reads the development part.
    """

    model: str
    seed: int
    name: str
    folder: Path
    job: Job
    data: Samples | None = None

    @property
    def weights(self) -> Path:
        assert self.job.weights
        return self.job.weights

    @property
    def role(self) -> Role:
        return Role.FOLD if self.data else Role.EVALUATE

    @property
    def n_epochs(self) -> int:
        return int(self.job.config["n_epochs"])

    def result(self) -> RetrainingResult | None:
        """Return what an earlier process has kept; None if there is nothing that this version can read."""
        try:
            return RetrainingResult.read(self.folder / "run.json") if self.weights.exists() else None
        except DataError:
            return None


@dataclass(frozen=True)
class FinishedRetraining:
    """A retraining with its result. run_id: of MLflow, empty where it could not be reached."""

    plan: Retraining
    result: RetrainingResult
    run_id: str


def retraining_name(model: str, k: int) -> str:
    """Return the name in MLflow of the k-th retraining of `winner` or `baseline`."""
    return f"{model}-seed-{k}"


def evaluation_lock(workspace: Workspace, study: str) -> AbstractContextManager[None]:
    """Hold the lock of the study's evaluation. Raises BusyError while another process holds it."""
    return locked(workspace.evaluations / f"{study}.lock", f"the evaluation of {study}")


def study_run(study: StudyInfo, sources: Sequence[DataSource], origin: Origin) -> StudyRun:
    """Return the run of MLflow that is the parent of the retrainings."""
    tags = provenance.tags(f"evaluate@{study.experiment}", origin.model_dump())
    return StudyRun(study.dataset, study.study, {**tags, "experiment": study.experiment}, tuple(sources))


def as_searched(workspace: Workspace, study: StudyInfo) -> Workspace:
    """Return the workspace with the threads that `workers: auto` chose for the search, on as many workers as fit."""
    if workspace.search.workers != "auto" or workspace.search.executor != "local":
        return workspace
    n_workers = max(1, int(provenance.hardware()["cores"] or 1) // study.threads)
    settings = workspace.search.model_copy(update={"workers": n_workers, "threads": study.threads})
    return replace(workspace, search=settings)


def plan(result: SearchResult, development: Path, evaluations: Path, n_seeds: int) -> list[Retraining]:
    """Return a retraining of each model under each seed; equal ones share a folder below `evaluations`."""
    configs = zip(MODELS, (result.winner, result.baseline), strict=True)
    return [
        plan_one(result.study, model, config, development, evaluations, k)
        for model, config in configs
        for k in range(n_seeds)
    ]


def plan_one(
    study: StudyInfo, model: str, config: Configuration, development: Path, evaluations: Path, k: int
) -> Retraining:
    """Return the k-th retraining of a model on the data of the study."""
    seed = derive_seed(study.seed, "evaluate", k)  # not among the seeds of the search
    folder = evaluations / provenance.digest([model, config, seed, study.objective, study.hashes])[:16]
    job = Job(config, development, seed, study.objective, folder / "weights.safetensors", folder / "checkpoint")
    return Retraining(model, seed, retraining_name(model, k), folder, job)


def retrain(planned: Sequence[Retraining], study: StudyRun, workspace: Workspace) -> list[FinishedRetraining]:
    """Train what no earlier process has finished, and return all in the order of the plan.

    Raises PipelineError if a retraining fails; the others are kept.
    """
    with evaluation_lock(workspace, study.name):
        kept = [_finished_record(retraining, result) for retraining in planned if (result := retraining.result())]
        with Tracker(workspace.root, workspace.search.tracking_uri, study, kept) as tracker:
            tracker.end("complete")  # the search is, even if a retraining fails
            with _data_of(planned):
                failed = _train_all(planned, tracker, workspace.search)
    if failed:
        reasons = "; ".join(f"{name}: {failure.reason}" for name, failure in failed.items())
        raise PipelineError(f"{len(failed)} of {len(planned)} retrainings failed: {reasons}; fix the cause and rerun")
    run_ids = tracker.run_ids()
    return [
        FinishedRetraining(r, RetrainingResult.read(r.folder / "run.json"), run_ids.get(r.name, "")) for r in planned
    ]


@contextmanager
def _data_of(planned: Sequence[Retraining]) -> Iterator[None]:
    """Write train and val of the data that retrainings without a result need; delete them in the end."""
    places = {r.job.development: r.data for r in planned if r.data and not r.result()}
    try:
        for place, data in places.items():
            rows = np.flatnonzero(data.table["part"] != "test")  # what is held out stays out of the workers' reach
            write_samples(place, ImageRows(data.images, rows), data.table.iloc[rows], data.info)
        yield
    finally:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)


def _train_all(planned: Sequence[Retraining], tracker: Tracker, settings: SearchSettings) -> dict[str, Failed]:
    """Train until each has a result or has failed for good; return the failures by name."""
    failed: dict[str, Failed] = {}
    deaths: list[int] = []  # of the workers of each that is still waiting
    while waiting := [r for r in planned if r.name not in failed and not r.result()]:
        states = Counter("failed" if r.name in failed else "complete" for r in planned if r not in waiting)
        n_epochs = sum(retraining.n_epochs for retraining in waiting)
        tally = Tally(len(planned), len(planned) - len(waiting), states, epochs_planned=n_epochs)
        with TrainingProgress("retrain", tally, noun="model") as progress, open_executor(settings) as executor:
            failures = _train_once(waiting, tracker, executor, progress)
        deaths.append(0)
        failed |= {name: why for name, why in failures.items() if not (why.died and EVALUATION.retries(deaths))}
    return failed


def _train_once(
    waiting: Sequence[Retraining], tracker: Tracker, executor: Executor, progress: TrainingProgress
) -> dict[str, Failed]:
    """Train each; return the failures by name. The results of the others are kept."""
    records: list[RunRecord] = []
    failures: dict[str, Failed] = {}

    def jobs() -> Iterator[Job]:
        for retraining in waiting:
            records.append(tracker.start(_record(retraining, now_ms())))
            progress.epoch(retraining.name, 0, retraining.n_epochs)
            yield retraining.job

    def on_epoch(i: int, epoch: Epoch) -> bool:
        records[i].epochs.append(epoch)
        score = float(getattr(epoch, f"val_{waiting[i].job.objective}"))
        progress.epoch(waiting[i].name, epoch.epoch, waiting[i].n_epochs, score)
        return True

    try:
        for i, trained in executor.run(jobs(), on_epoch):
            name, record = waiting[i].name, records[i]
            if isinstance(trained, Failed):
                failures[name] = trained
                record.finish("failed", {}, trained.reason)
                progress.closed(name, "failed", None, trained.reason)
            else:
                assert isinstance(trained, Finished)
                record.finish("complete", _keep(waiting[i], trained, record).metrics)
                progress.closed(name, "complete", trained.score)
    finally:
        for record in records:
            if not record.outcome:
                record.finish("interrupted", {})
    return failures


def _keep(retraining: Retraining, finished: Finished, record: RunRecord) -> RetrainingResult:
    """Write run.json, which marks the weights as complete, and delete the checkpoint."""
    result = RetrainingResult(**vars(finished), epochs=record.epochs, started_ms=record.started_ms)
    result.write(retraining.folder / "run.json")
    (retraining.folder / "checkpoint").unlink(missing_ok=True)
    return result


def _record(retraining: Retraining, started_ms: int) -> RunRecord:
    return RunRecord(retraining.name, retraining.role, retraining.job.config, retraining.seed, started_ms)


def _finished_record(retraining: Retraining, result: RetrainingResult) -> RunRecord:
    record = _record(retraining, result.started_ms)
    record.epochs = result.epochs
    record.finish("complete", result.metrics)
    return record
