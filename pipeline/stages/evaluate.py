"""evaluate: winner and baseline under fresh seeds; threshold on `val`; the test part is read here and scored once.

data/split/<dataset>, data/search/<e> -> data/evaluate/<e>/{predictions.csv,curves.csv,metrics.json,model/}
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline import lineage
from pipeline.config import Flat, read_yaml
from pipeline.data import Samples, read_samples
from pipeline.errors import PipelineError
from pipeline.files import read_json, write_json, writing
from pipeline.metrics import choose_threshold
from pipeline.seeds import derive_seed
from pipeline.tracking import Tracker
from pipeline.training import Epoch, load_trained, predict
from pipeline.workers import Failed, Job, LocalExecutor, Setup

MODELS = ("winner", "baseline")


def run(search: Path, split: Path, out: Path, setup: Setup, n_seeds: int, min_sensitivity: float) -> None:
    """Retrainings done before an interruption are taken from `.state/`.

    Raises PipelineError if a retraining fails.
    """
    study = read_json(search / "study.json")
    configs: dict[str, Flat] = read_yaml(search / "best.yaml").values
    development = read_samples(split / "development")
    trained = _retrain(study, configs, split / "development", setup, n_seeds)
    shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier evaluation stays beside this one
    parts = {"development": development, "test": read_samples(split / "test")}
    report: dict[str, Any] = {name: {"config": configs[name], "runs": []} for name in MODELS}
    tables, curves = [], []
    for name, seed, folder in tqdm(trained, desc="predict", unit="model"):
        record = read_json(folder / "run.json")
        weights = out / "model" / name / f"seed-{seed}.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "weights.safetensors", weights)
        write_json(weights.parent / "model.json", record["description"])
        model = load_trained(record["description"], weights)
        table = pd.concat([_predictions(predict(model, record["description"], s.images), s) for s in parts.values()])
        threshold = _threshold(table, development.info, min_sensitivity)
        report[name]["parameters"] = record["n_parameters"]
        report[name]["runs"].append({"seed": seed, "threshold": threshold, **record["result"]})
        tables.append(table.assign(model=name, seed=seed))
        curves += [{"model": name, "seed": seed, **epoch} for epoch in record["epochs"]]
    _write_predictions(out / "predictions.csv", pd.concat(tables), development.info["classes"])
    with writing(out / "curves.csv") as part:
        pd.DataFrame(curves).to_csv(part, index=False, lineterminator="\n")
    runs = [r for name in MODELS for r in report[name]["runs"]]
    write_json(
        out / "metrics.json",
        {
            **{key: study[key] for key in ("experiment", "objective")},
            "dataset": development.info,
            "models": report,
            "min_sensitivity": min_sensitivity,
            "seconds": sum(r["seconds"] for r in runs),
            "hardware": lineage.hardware(),
            "versions": lineage.versions(),
        },
    )


def _retrain(
    study: dict[str, Any], configs: dict[str, Flat], development: Path, setup: Setup, n_seeds: int
) -> list[tuple[str, int, Path]]:
    """Trains every model under every seed. Returns (model, seed, folder of run.json and weights.safetensors)."""
    waiting: list[tuple[Job, Path, str]] = []
    done: list[tuple[str, int, Path]] = []
    for name in MODELS:
        for k in range(n_seeds):
            seed = derive_seed(study["seed"], "evaluate", k)  # fresh: the search's seeds have another purpose
            key = json.dumps([configs[name], seed, study["objective"], study["hashes"], setup.threads], sort_keys=True)
            folder = setup.root / ".state" / "evaluate" / hashlib.sha256(key.encode()).hexdigest()[:16]
            done.append((name, seed, folder))
            if not (folder / "run.json").exists() and folder not in [f for _, f, _ in waiting]:
                job = Job(configs[name], development, seed, study["objective"], folder / "weights.safetensors")
                waiting.append((job, folder, f"{name}-seed-{k}"))
    if not waiting:
        return done
    tags = {**lineage.tags(setup.root, f"evaluate@{study['experiment']}"), "experiment": study["experiment"]}
    tracker = Tracker(setup.root, setup.tracking_uri, study["dataset"], study["study"], tags)
    with LocalExecutor(setup.workers, setup.threads) as executor, tqdm(total=len(waiting), desc="retrain") as bar:
        for start in range(0, len(waiting), setup.workers):
            batch = waiting[start : start + setup.workers]
            _train_batch(batch, executor, tracker)
            bar.update(len(batch))
    tracker.finish(tracker.run_id, "complete", {})
    return done


def _train_batch(batch: list[tuple[Job, Path, str]], executor: LocalExecutor, tracker: Tracker) -> None:
    epochs: list[list[Epoch]] = [[] for _ in batch]
    run_ids = [tracker.start(name, "evaluate", job.config, job.seed) for job, _, name in batch]

    def on_epoch(i: int, epoch: Epoch) -> bool:
        epochs[i].append(epoch)
        tracker.log_epoch(run_ids[i], epoch)
        return True

    try:
        results = executor.run([job for job, _, _ in batch], on_epoch)
    except BaseException:
        for run_id in run_ids:
            tracker.finish(run_id, "interrupted", {})
        raise
    failed = []
    for i, (result, (_, folder, name)) in enumerate(zip(results, batch, strict=True)):
        if isinstance(result, Failed):
            tracker.finish(run_ids[i], "failed", {}, result.reason)
            failed.append(f"{name}: {result.reason}")
            continue
        seconds = sum(epoch.seconds for epoch in epochs[i])
        numbers = {"best_epoch": result.best_epoch, "val_score": result.score, "seconds": seconds}
        record = {
            "result": {**numbers, "run_id": run_ids[i]},
            "description": result.description,
            "n_parameters": result.n_parameters,
            "epochs": [asdict(epoch) for epoch in epochs[i]],
        }
        write_json(folder / "run.json", record)  # behind the weights, so that it marks them as whole
        tracker.finish(run_ids[i], "complete", {"score": result.score, "seconds": seconds})
    if failed:
        raise PipelineError(f"a retraining failed: {'; '.join(failed)}; mend the cause and start again")


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
    return float(choose_threshold(positive, score, min_sensitivity))


def _write_predictions(path: Path, table: pd.DataFrame, classes: list[str]) -> None:
    columns = ["model", "seed", "sample", "group", "part", "label", "predicted", *(f"p_{name}" for name in classes)]
    with writing(path) as part:
        table[columns].to_csv(part, index=False, lineterminator="\n")
