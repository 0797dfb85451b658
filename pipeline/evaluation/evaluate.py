"""TODO evaluation.evaluate."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import DEVELOPMENT, read_samples
from pipeline.core import provenance
from pipeline.core.files import read_json, write_json
from pipeline.core.progress import track
from pipeline.core.tables import write_csv
from pipeline.core.yaml_document import read_yaml
from pipeline.evaluation.explanations import write_explanations
from pipeline.evaluation.model_card import write_model_card
from pipeline.evaluation.predictions import FILE_COLUMNS, predictions_table, threshold_on_val, write_predictions
from pipeline.evaluation.registry import best_run, register_winner
from pipeline.evaluation.retrain import plan, retrain
from pipeline.execution.settings import Workspace
from pipeline.tracking.run_record import StudyRun
from pipeline.training.prediction import load_trained, predict
from pipeline.training.process import keep_freed_memory


def evaluate(search: Path, split: Path, out: Path, setup: Workspace, n_seeds: int, min_sensitivity: float) -> None:
    """Retrainings done before an interruption are taken from `.state/`.

    Raises PipelineError if a retraining fails.
    """
    study = read_json(search / "study.json")
    configs: dict[str, Configuration] = read_yaml(search / "best.yaml").check()
    development = read_samples(split / "development")
    test = read_samples(split / "test")
    if setup.search.workers == "auto":  # as the search was trained
        found = {key: study[key] for key in ("workers", "threads")}
        setup = replace(setup, search=setup.search.model_copy(update=found))
    sources = [*(development.source(part) for part in DEVELOPMENT), test.source("test")]
    origin = provenance.origin(setup.root)
    tags = {**provenance.tags(f"evaluate@{study['experiment']}", origin), "experiment": study["experiment"]}
    of_study = StudyRun(study["dataset"], study["study"], tags, tuple(sources))
    trained = plan(study, configs, split / "development", setup.evaluations, n_seeds)
    run_ids = retrain(trained, of_study, setup)
    shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier evaluation stays beside this one
    report: dict[str, Any] = {name: {"config": config, "runs": []} for name, config in configs.items()}
    tables, curves, steps = [], [], []
    keep_freed_memory()
    for done in track(trained, "predict", unit="models"):
        name, seed, record = done.model, done.seed, read_json(done.folder / "run.json")
        weights = out / "model" / name / f"seed-{seed}.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(done.folder / "weights.safetensors", weights)
        write_json(weights.parent / "model.json", record["description"])
        model = load_trained(record["description"], weights)
        predicted = [(predict(model, record["description"], s.images), s) for s in (development, test)]
        table = pd.concat([predictions_table(*of_part) for of_part in predicted])
        threshold = threshold_on_val(table, development.info, min_sensitivity)
        report[name]["parameters"] = record["n_parameters"]
        numbers = {"threshold": threshold, **record["result"], "run_id": run_ids.get(done.name)}
        numbers["started_ms"] = record["started_ms"]
        report[name]["runs"].append({"seed": seed, **numbers})
        tables.append(table.assign(model=name, seed=seed))
        curves += [{"model": name, "seed": seed, **epoch} for epoch in record["epochs"]]
        steps += [{"model": name, "seed": seed, "step": step, "train_loss": loss} for step, loss in record["slices"]]
    predictions = pd.concat(tables)
    write_predictions(out / "predictions.csv", predictions, development.info["classes"])
    files = pd.concat([samples.table[list(FILE_COLUMNS)] for samples in (development, test)])
    for name, table in (("curves", pd.DataFrame(curves)), ("steps", pd.DataFrame(steps)), ("files", files)):
        write_csv(out / f"{name}.csv", table)
    runs = [evaluate for model in report.values() for evaluate in model["runs"]]
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
    write_explanations(out / "inside", best, of_winner, development, test)
