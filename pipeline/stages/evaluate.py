"""evaluate: winner and baseline under fresh seeds; threshold on `val`; the test part is read here and scored once.

data/split/<dataset>, data/search/<e> -> data/evaluate/<e>/: predictions.csv, curves.csv, steps.csv, files.csv,
metrics.json, model/ (weights and MODEL_CARD.md) and inside/ (what the report shows of the winner)
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import lineage
from pipeline.champion import best_run, register_winner
from pipeline.config import Flat, read_yaml
from pipeline.data import DEVELOPMENT, Samples, read_samples
from pipeline.errors import PipelineError
from pipeline.files import locked, read_json, write_json, writing
from pipeline.inside import write_inside
from pipeline.jobs import Failed, Finished, Job, keep_freed_memory
from pipeline.metrics import choose_threshold
from pipeline.model_card import write_model_card
from pipeline.prediction import load_trained, predict
from pipeline.runs import Record, StudyRun
from pipeline.seeds import derive_seed
from pipeline.setup import Search, Setup
from pipeline.tracking import Tracker
from pipeline.training import Epoch
from pipeline.trials import retraining_name
from pipeline.workers import open_executor

FILE_COLUMNS = ("sample", "official_part", "format", "mode", "width", "height")  # of files.csv


def run(search: Path, split: Path, out: Path, setup: Setup, n_seeds: int, min_sensitivity: float) -> None:
    """Retrainings done before an interruption are taken from `.state/`.

    Raises PipelineError if a retraining fails.
    """
    study = read_json(search / "study.json")
    configs: dict[str, Flat] = read_yaml(search / "best.yaml").check()
    development = read_samples(split / "development")
    test = read_samples(split / "test")
    if setup.search.workers == "auto":  # as the search was trained
        found = {key: study[key] for key in ("workers", "threads")}
        setup = replace(setup, search=setup.search.model_copy(update=found))
    sources = [*(development.source(part) for part in DEVELOPMENT), test.source("test")]
    origin = lineage.origin(setup.root)
    tags = {**lineage.tags(f"evaluate@{study['experiment']}", origin), "experiment": study["experiment"]}
    of_study = StudyRun(study["dataset"], study["study"], tags, tuple(sources))
    trained = _plan(study, configs, split / "development", setup.evaluations, n_seeds)
    run_ids = _retrain(trained, of_study, setup)
    shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier evaluation stays beside this one
    report: dict[str, Any] = {name: {"config": config, "runs": []} for name, config in configs.items()}
    tables, curves, steps = [], [], []
    keep_freed_memory()
    for done in tqdm(trained, desc="predict", unit="model"):
        name, seed, record = done.model, done.seed, read_json(done.folder / "run.json")
        weights = out / "model" / name / f"seed-{seed}.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(done.folder / "weights.safetensors", weights)
        write_json(weights.parent / "model.json", record["description"])
        model = load_trained(record["description"], weights)
        predicted = [(predict(model, record["description"], s.images), s) for s in (development, test)]
        table = pd.concat([_predictions(*of_part) for of_part in predicted])
        threshold = _threshold(table, development.info, min_sensitivity)
        report[name]["parameters"] = record["n_parameters"]
        numbers = {"threshold": threshold, **record["result"], "run_id": run_ids.get(done.name)}
        numbers["started_ms"] = record["started_ms"]
        report[name]["runs"].append({"seed": seed, **numbers})
        tables.append(table.assign(model=name, seed=seed))
        curves += [{"model": name, "seed": seed, **epoch} for epoch in record["epochs"]]
        steps += [{"model": name, "seed": seed, "step": step, "train_loss": loss} for step, loss in record["slices"]]
    predictions = pd.concat(tables)
    _write_predictions(out / "predictions.csv", predictions, development.info["classes"])
    files = pd.concat([samples.table[list(FILE_COLUMNS)] for samples in (development, test)])
    for name, table in (("curves", pd.DataFrame(curves)), ("steps", pd.DataFrame(steps)), ("files", files)):
        with writing(out / f"{name}.csv") as part:
            table.to_csv(part, index=False, lineterminator="\n")
    runs = [run for model in report.values() for run in model["runs"]]
    write_json(
        out / "metrics.json",
        {
            **{key: study[key] for key in ("experiment", "objective")},
            "dataset": development.info,
            "models": report,
            "min_sensitivity": min_sensitivity,
            "seconds": sum(r["seconds"] for r in runs),
            **origin,
            "sources": sources,
        },
    )
    write_model_card(out, study["question"])
    register_winner(study["experiment"], report["winner"]["runs"], out / "model" / "winner", setup)
    best = out / "model" / "winner" / f"seed-{best_run(report['winner']['runs'])['seed']}.safetensors"
    of_winner = predictions[(predictions["model"] == "winner") & (predictions["part"] == "test")]
    write_inside(out / "inside", best, of_winner, development, test)


@dataclass(frozen=True)
class _Retraining:
    """folder: run.json and weights.safetensors, kept in .state/ so that an interrupted evaluation goes on."""

    model: str
    seed: int
    name: str
    job: Job
    folder: Path

    @property
    def done(self) -> bool:
        return all((self.folder / name).exists() for name in ("run.json", "weights.safetensors"))


def _plan(
    study: dict[str, Any], configs: dict[str, Flat], development: Path, evaluations: Path, n_seeds: int
) -> list[_Retraining]:
    """Every model under every seed."""
    retrainings = []
    for model, config in configs.items():
        for k in range(n_seeds):
            seed = derive_seed(study["seed"], "evaluate", k)  # fresh: the search's seeds have another purpose
            key = lineage.digest([model, config, seed, study["objective"], study["hashes"]])[:16]
            folder = evaluations / key
            job = Job(
                config, development, seed, study["objective"], folder / "weights.safetensors", folder / "checkpoint"
            )
            retrainings.append(_Retraining(model, seed, retraining_name(model, k), job, folder))
    return retrainings


def _retrain(planned: list[_Retraining], of_study: StudyRun, setup: Setup) -> dict[str, str]:
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


def _record(done: _Retraining) -> Record:
    """Of a retraining that an earlier process finished."""
    found = read_json(done.folder / "run.json")
    record = Record(done.name, "evaluate", done.job.config, done.seed, found["started_ms"])
    record.epochs = [Epoch(**epoch) for epoch in found["epochs"]]
    record.finish("complete", _score(found["result"]))
    return record


def _score(result: dict[str, Any]) -> dict[str, float]:
    return {"score": result["val_score"], "seconds": result["seconds"]}


def _train(tracker: Tracker, waiting: list[_Retraining], settings: Search) -> dict[str, Failed]:
    """Those that failed by name; the others are done and stay so."""
    records: list[Record] = []
    failed = {}

    def jobs() -> Iterator[Job]:
        for r in waiting:
            records.append(tracker.start(r.name, "evaluate", r.job.config, r.seed))
            yield r.job

    def on_epoch(i: int, epoch: Epoch) -> bool:
        records[i].epochs.append(epoch)
        return True

    try:
        with open_executor(settings) as executor, tqdm(total=len(waiting), desc="retrain") as bar:
            for i, result in executor.run(jobs(), on_epoch):
                bar.set_postfix_str(waiting[i].name, refresh=False)
                bar.update()
                if isinstance(result, Failed):
                    failed[waiting[i].name] = result
                    records[i].finish("failed", {}, result.reason)
                    continue
                assert isinstance(result, Finished)
                seconds = sum(epoch.seconds for epoch in records[i].epochs)
                found: dict[str, Any] = {
                    "result": {"best_epoch": result.best_epoch, "val_score": result.score, "seconds": seconds},
                    "description": result.description,
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
            if not record.state:
                record.finish("interrupted", {})
    return failed


def _predictions(probabilities: np.ndarray, samples: Samples) -> pd.DataFrame:
    """One row per image. probabilities: (N, K)."""
    table = samples.table[["sample", "group", "part", "label"]].copy()
    table["predicted"] = probabilities.argmax(1)
    probabilities = probabilities.astype(np.float64).round(6)  # as written, so that a threshold means the same later
    columns = [f"p_{name}" for name in samples.info["classes"]]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns, index=table.index)], axis=1)


def _threshold(table: pd.DataFrame, info: dict[str, Any], min_sensitivity: float) -> float | None:
    """Chosen on `val`: a positive is called where the summed probability of the positive classes reaches it."""
    if not info["positive"]:
        return None
    val = table[table["part"] == "val"]
    score = val[[f"p_{name}" for name in info["positive"]]].sum(axis=1).to_numpy()
    positive = val["label"].isin([info["classes"].index(name) for name in info["positive"]]).to_numpy()
    return float(choose_threshold(positive, score, val["group"], min_sensitivity))


def _write_predictions(path: Path, table: pd.DataFrame, classes: list[str]) -> None:
    columns = ["model", "seed", "sample", "group", "part", "label", "predicted", *(f"p_{name}" for name in classes)]
    with writing(path) as part:
        table[columns].to_csv(part, index=False, lineterminator="\n")
