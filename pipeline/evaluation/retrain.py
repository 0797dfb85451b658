"""TODO evaluation.retrain."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.search_result import StudyInfo
from pipeline.core import provenance
from pipeline.core.errors import PipelineError
from pipeline.core.files import locked, read_json, write_json
from pipeline.core.progress import progress_bar
from pipeline.core.seeds import derive_seed
from pipeline.execution.executor import open_executor
from pipeline.execution.job import Failed, Finished, Job
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.tracking.run_record import Role, RunRecord, StudyRun
from pipeline.tracking.tracker import Tracker


def retraining_name(model: str, k: int) -> str:
    """Of the k-th retraining of `winner` or `baseline` in MLflow."""
    return f"{model}-seed-{k}"


@dataclass(frozen=True)
class Retraining:
    """folder: run.json and weights.safetensors, kept in .state/ so that an interrupted evaluation goes on."""

    model: str
    seed: int
    name: str
    job: Job
    folder: Path

    @property
    def done(self) -> bool:
        return all((self.folder / name).exists() for name in ("run.json", "weights.safetensors"))


def plan(
    study: StudyInfo, configs: dict[str, Configuration], development: Path, evaluations: Path, n_seeds: int
) -> list[Retraining]:
    """Every model under every seed."""
    retrainings = []
    for model, config in configs.items():
        for k in range(n_seeds):
            seed = derive_seed(study.seed, "evaluate", k)  # fresh: the search's seeds have another purpose
            key = provenance.digest([model, config, seed, study.objective, study.hashes])[:16]
            folder = evaluations / key
            job = Job(config, development, seed, study.objective, folder / "weights.safetensors", folder / "checkpoint")
            retrainings.append(Retraining(model, seed, retraining_name(model, k), job, folder))
    return retrainings


def retrain(planned: list[Retraining], of_study: StudyRun, setup: Workspace) -> dict[str, str]:
    """Trains what is not done yet. Returns the MLflow run of each by its name."""
    done, waiting = ([r for r in planned if r.done is done] for done in (True, False))
    lock = setup.evaluations / f"{of_study.name}.lock"
    with (
        locked(lock, f"the evaluation of {of_study.name}"),
        Tracker(setup.root, setup.search.tracking_uri, of_study, map(_record, done)) as tracker,
    ):
        tracker.end("complete")  # the study is, whatever becomes of its evaluation
        failed = _train(tracker, waiting, setup.search)
        if died := [r for r in waiting if r.name in failed and failed[r.name].died]:  # once more, from the last epoch
            failed = {name: why for name, why in failed.items() if not why.died} | _train(tracker, died, setup.search)
    if failed:
        reasons = "; ".join(f"{name}: {why.reason}" for name, why in failed.items())
        raise PipelineError(f"a retraining failed: {reasons}; mend the cause and start again")
    return tracker.run_ids()


def _record(done: Retraining) -> RunRecord:
    """Of a retraining that an earlier process finished."""
    found = read_json(done.folder / "run.json")
    record = RunRecord(done.name, Role.EVALUATE, done.job.config, done.seed, found["started_ms"])
    record.epochs = [Epoch(**epoch) for epoch in found["epochs"]]
    record.finish("complete", _score(found["result"]))
    return record


def _score(result: dict[str, Any]) -> dict[str, float]:
    return {"score": result["val_score"], "seconds": result["seconds"]}


def _train(tracker: Tracker, waiting: list[Retraining], settings: SearchSettings) -> dict[str, Failed]:
    """Those that failed by name; the others are done and stay so."""
    records: list[RunRecord] = []
    failed = {}

    def jobs() -> Iterator[Job]:
        for r in waiting:
            records.append(tracker.start(r.name, Role.EVALUATE, r.job.config, r.seed))
            yield r.job

    def on_epoch(i: int, epoch: Epoch) -> bool:
        records[i].epochs.append(epoch)
        return True

    try:
        with open_executor(settings) as executor, progress_bar("retrain", len(waiting), unit="models") as advance:
            for i, result in executor.run(jobs(), on_epoch):
                advance(1)
                if isinstance(result, Failed):
                    failed[waiting[i].name] = result
                    records[i].finish("failed", {}, result.reason)
                    continue
                assert isinstance(result, Finished)
                seconds = sum(epoch.seconds for epoch in records[i].epochs)
                found: dict[str, Any] = {
                    "result": {"best_epoch": result.best_epoch, "val_score": result.score, "seconds": seconds},
                    "description": result.description.model_dump(mode="json"),
                    "n_parameters": result.n_parameters,
                    "started_ms": records[i].started_ms,
                    "epochs": [asdict(epoch) for epoch in records[i].epochs],
                    "slices": result.slices,
                }
                write_json(waiting[i].folder / "run.json", found)  # behind the weights, so that it marks them as whole
                (waiting[i].folder / "checkpoint").unlink(missing_ok=True)
                records[i].finish("complete", _score(found["result"]))
    finally:
        for record in records:
            if not record.outcome:
                record.finish("interrupted", {})
    return failed
