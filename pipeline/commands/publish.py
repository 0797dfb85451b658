"""`pipeline publish`: MLflow rebuilt from DVC's outputs, for a fresh clone or another server.

data/search/<e>, data/evaluate/<e> -> the runs, figures and the registered model that search and evaluate wrote where
they ran. What MLflow has already is left as it is.
"""

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.core import provenance
from pipeline.core.errors import InputError, PipelineError
from pipeline.core.files import locked, read_json
from pipeline.evaluation.registry import register_winner
from pipeline.evaluation.retrain import retraining_name
from pipeline.execution.settings import Workspace
from pipeline.search.selection import best_trial
from pipeline.search.study import study_lock
from pipeline.search.trial_table import run_name, slot_seed
from pipeline.tracking.mlflow import Tracker
from pipeline.tracking.run_record import RunRecord, StudyRun


def run(search: Path, evaluated: Path, setup: Workspace) -> None:
    """Raises InputError if the search is not there, BusyError while it runs."""
    if not (search / "study.json").exists():
        raise InputError(f"there is no {search / 'study.json'}; run: dvc pull {search} (or dvc repro)")
    study = read_json(search / "study.json")
    name = study["study"]
    with locked(study_lock(setup.searches, name), f"study {name}"):
        _publish_search(study, search, setup)
    if (evaluated / "metrics.json").exists():
        with locked(setup.evaluations / f"{name}.lock", f"the evaluation of {name}"):
            _publish_evaluation(study, evaluated, setup)


def _publish_search(study: dict[str, Any], folder: Path, setup: Workspace) -> None:
    trials = {int(row["number"]): row for row in _rows(folder / "trials.csv")}
    curves = _rows(folder / "curves.csv")
    records, finished = [], []
    for about in study["trials"]:
        trial = trials[about["number"]]
        names = list(trial)
        params: Configuration = {key: trial[key] for key in names[names.index("role") + 1 :] if trial[key]}
        seed = slot_seed(study["seed"], about["slot"])
        record = RunRecord(run_name(about["number"]), trial["role"], params, seed, about["started_ms"])
        record.epochs = [_epoch(row) for row in curves if row["number"] == trial["number"]]
        numbers = {key: float(trial[key]) for key in ("score", "seconds", "epochs") if trial[key]}
        record.finish(trial["state"], numbers, about["reason"])
        records.append(record)
        finished.append({**about, **numbers, "state": trial["state"]})
    tags = {**study["tags"], **provenance.tags(f"search@{study['experiment']}", study)}
    of_study = StudyRun(study["dataset"], study["study"], tags, tuple(study["sources"]))
    with Tracker(setup.root, setup.search.tracking_uri, of_study, records) as tracker:
        finished.sort(key=lambda trial: trial["ended_ms"])
        for i, last in enumerate(finished):
            if last["state"] == "complete":
                best = best_trial(finished[: i + 1])
                tracker.log_study({"best_score": best["score"]}, last["number"], last["ended_ms"])
        best = best_trial(finished)
        tracker.log_study({"score": best["score"]}, 0, best["ended_ms"])
        tracker.log_figures(folder / "figures")
        tracker.end("complete", winner=run_name(best["number"]))
    _require(tracker)


def _publish_evaluation(study: dict[str, Any], folder: Path, setup: Workspace) -> None:
    evaluation, curves = read_json(folder / "metrics.json"), _rows(folder / "curves.csv")
    records = {}
    for model, found in evaluation["models"].items():
        for k, run in enumerate(found["runs"]):
            record = RunRecord(retraining_name(model, k), "evaluate", found["config"], run["seed"], run["started_ms"])
            of_run = model, str(run["seed"])
            record.epochs = [_epoch(row) for row in curves if (row["model"], row["seed"]) == of_run]
            record.finish("complete", {"score": run["val_score"], "seconds": run["seconds"]})
            records[model, run["seed"]] = record
    tags = {**provenance.tags(f"evaluate@{study['experiment']}", evaluation), "experiment": study["experiment"]}
    of_study = StudyRun(study["dataset"], study["study"], tags, tuple(evaluation["sources"]))
    with Tracker(setup.root, setup.search.tracking_uri, of_study, records.values()) as tracker:
        tracker.end("complete")
    _require(tracker)
    runs = [{**run, "run_id": records["winner", run["seed"]].run_id} for run in evaluation["models"]["winner"]["runs"]]
    register_winner(study["experiment"], runs, folder / "model" / "winner", setup)


def _require(tracker: Tracker) -> None:
    if not tracker.is_written:
        raise PipelineError("MLflow cannot be reached; publish again when it is back, what it has already stays")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _epoch(row: Mapping[str, str]) -> Epoch:
    values = {field.name: float(row[field.name]) if row[field.name] else None for field in fields(Epoch)}
    return Epoch(**{**values, "epoch": int(row["epoch"])})  # type: ignore[arg-type]  # None where None may be
