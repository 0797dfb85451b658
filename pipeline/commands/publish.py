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
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.core.errors import InputError, PipelineError
from pipeline.core.files import locked
from pipeline.evaluation.registry import register_winner
from pipeline.evaluation.retrain import retraining_name
from pipeline.execution.settings import Workspace
from pipeline.search.search import study_tags
from pipeline.search.selection import best_trial
from pipeline.search.study import study_lock
from pipeline.search.trial_table import run_name, slot_seed
from pipeline.tracking.mlflow import Tracker
from pipeline.tracking.run_record import RunRecord, StudyRun


def run(layout: Layout, experiment: str, setup: Workspace) -> None:
    """Raises InputError if the search is not there, BusyError while it runs."""
    folder = layout.search(experiment)
    if not (folder / "study.json").exists():
        raise InputError(f"there is no {folder / 'study.json'}; run: dvc pull {folder} (or dvc repro)")
    found = SearchResult.read(folder)
    name = found.study.study
    with locked(study_lock(setup.searches, name), f"study {name}"):
        _publish_search(found, SearchRuns.read(layout.search_runs(experiment)), folder, setup)
    if (layout.evaluate(experiment) / "metrics.json").exists():
        with locked(setup.evaluations / f"{name}.lock", f"the evaluation of {name}"):
            runs = EvaluationRuns.read(layout.evaluation_runs(experiment))
            _publish_evaluation(found, Evaluation.read(layout.evaluate(experiment)), runs, layout, setup)


def _publish_search(found: SearchResult, runs: SearchRuns, folder: Path, setup: Workspace) -> None:
    study = found.study
    trials = {int(row["number"]): row for row in _rows(folder / "trials.csv")}
    curves = _rows(folder / "curves.csv")
    records: list[RunRecord] = []
    finished: list[dict[str, Any]] = []
    for about in runs.trials:
        trial = trials[about.number]
        params: Configuration = {key: trial[key] for key in found.parameters if trial[key]}
        seed = slot_seed(study.seed, int(trial["slot"]))
        record = RunRecord(run_name(about.number), trial["role"], params, seed, about.started_ms)
        rows = [row for row in curves if row["number"] == trial["number"]]
        record.epochs = [_epoch(row, s) for row, s in zip(rows, about.epoch_seconds, strict=True)]
        numbers = {key: float(trial[key]) for key in ("score", "epochs") if trial[key]}
        record.finish(trial["state"], {**numbers, "seconds": about.seconds}, trial["reason"])
        records.append(record)
        finished.append(
            {"number": about.number, "slot": int(trial["slot"]), "ended_ms": about.ended_ms,
             "violation": float(trial["violation"]), **numbers, "state": trial["state"]}
        )  # fmt: skip
    origin = runs.origin.model_dump()
    tags = {
        **study_tags(study.experiment, study.objective, study.hashes),
        **provenance.tags(f"search@{study.experiment}", origin),
    }
    of_study = StudyRun(study.dataset, study.study, tags, tuple(study.sources))
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


def _publish_evaluation(
    found: SearchResult, evaluation: Evaluation, runs: EvaluationRuns, layout: Layout, setup: Workspace
) -> None:
    info, study = evaluation.info, found.study
    folder = layout.evaluate(info.experiment)
    curves = _rows(folder / "curves.csv")
    records = {}
    for model, retrained in info.models.items():
        for k, run in enumerate(retrained.runs):
            about = runs.of(model, run.seed)
            record = RunRecord(retraining_name(model, k), "evaluate", retrained.config, run.seed, about.started_ms)
            rows = [row for row in curves if (row["model"], row["seed"]) == (model, str(run.seed))]
            record.epochs = [_epoch(row, s) for row, s in zip(rows, about.epoch_seconds, strict=True)]
            record.finish("complete", {"score": run.val_score, "seconds": about.seconds})
            records[model, run.seed] = record
    tags = {
        **provenance.tags(f"evaluate@{study.experiment}", runs.origin.model_dump()),
        "experiment": study.experiment,
    }
    of_study = StudyRun(study.dataset, study.study, tags, tuple(info.sources))
    with Tracker(setup.root, setup.search.tracking_uri, of_study, records.values()) as tracker:
        tracker.end("complete")
    _require(tracker)
    here = [run.model_copy(update={"run_id": records[run.model, run.seed].run_id}) for run in runs.retrainings]
    register_winner(info, runs.model_copy(update={"retrainings": here}), folder / "model" / "winner", setup)


def _require(tracker: Tracker) -> None:
    if not tracker.is_written:
        raise PipelineError("MLflow cannot be reached; publish again when it is back, what it has already stays")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _epoch(row: Mapping[str, str], seconds: float) -> Epoch:
    names = [field.name for field in fields(Epoch) if field.name not in ("epoch", "seconds")]
    values = {name: float(row[name]) if row[name] else None for name in names}
    return Epoch(epoch=int(row["epoch"]), seconds=seconds, **values)  # type: ignore[arg-type]  # None where None may be
