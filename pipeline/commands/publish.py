"""`pipeline publish`: MLflow rebuilt from DVC's outputs, for a fresh clone or another server.

data/search/<e>, data/evaluate/<e> -> the runs, figures and the registered model that search and evaluate wrote where
they ran. What MLflow has already is left as it is.
"""

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import provenance
from pipeline.core.errors import InputError, PipelineError
from pipeline.core.files import locked
from pipeline.evaluation.registry import register_winner
from pipeline.evaluation.retrain import evaluation_lock, retraining_name, study_run
from pipeline.execution.settings import Workspace
from pipeline.search.result import published_trials, study_tags
from pipeline.search.selection import best_trial
from pipeline.search.study import study_lock
from pipeline.tracking.run_record import Role, RunRecord, StudyRun
from pipeline.tracking.tracker import Tracker


def run(layout: Layout, experiment: str, setup: Workspace) -> None:
    """Raises InputError if the search is not there, BusyError while it runs."""
    folder = layout.search(experiment)
    if not (folder / "study.json").exists():
        raise InputError(f"there is no {folder / 'study.json'}; run: dvc pull {folder} (or dvc repro)")
    found = SearchResult.read(folder)
    searched, name = SearchRuns.read(layout.search_runs(experiment)), found.study.study
    with locked(study_lock(setup.searches, searched.study), f"study {searched.study}"):
        _publish_search(found, searched, folder, setup)
    if (layout.evaluate(experiment) / "metrics.json").exists():
        with locked(evaluation_lock(setup, name), f"the evaluation of {name}"):
            runs = EvaluationRuns.read(layout.evaluation_runs(experiment))
            _publish_evaluation(found, Evaluation.read(layout.evaluate(experiment)), runs, layout, setup)


def _publish_search(found: SearchResult, runs: SearchRuns, folder: Path, setup: Workspace) -> None:
    study = found.study
    trials = published_trials(found, runs)
    tags = {
        **study_tags(study, study.hashes),
        **provenance.tags(f"search@{study.experiment}", runs.origin.model_dump()),
    }
    of_study = StudyRun(study.dataset, runs.study, tags, tuple(study.sources))
    records = [trial.record(study.seed) for trial in trials]
    with Tracker(setup.root, setup.search.tracking_uri, of_study, records) as tracker:
        complete = sorted((t for t in trials if t.state == "complete"), key=lambda trial: trial.ended_ms)
        for i, last in enumerate(complete):
            best = best_trial(complete[: i + 1])
            tracker.log_study({"best_score": best.score or 0.0}, last.number, last.ended_ms)
        best = best_trial(complete)
        tracker.log_study({"score": best.score or 0.0}, 0, best.ended_ms)
        tracker.study.figures = folder / "figures"
        tracker.end("complete", winner=best.name)
    _require(tracker)


def _publish_evaluation(
    found: SearchResult, evaluation: Evaluation, runs: EvaluationRuns, layout: Layout, setup: Workspace
) -> None:
    info = evaluation.info
    folder = layout.evaluate(info.experiment)
    curves = _rows(folder / "curves.csv")
    records = {}
    for model, retrained in info.models.items():
        for k, run in enumerate(retrained.runs):
            about = runs.of(model, run.seed)
            record = RunRecord(retraining_name(model, k), Role.EVALUATE, retrained.config, run.seed, about.started_ms)
            rows = [row for row in curves if (row["model"], row["seed"]) == (model, str(run.seed))]
            record.epochs = [_epoch(row, s) for row, s in zip(rows, about.epoch_seconds, strict=True)]
            record.finish("complete", {"score": run.val_score, "seconds": about.seconds})
            records[model, run.seed] = record
    of_study = study_run(found.study, info.sources, runs.origin)
    with Tracker(setup.root, setup.search.tracking_uri, of_study, records.values()) as tracker:
        tracker.end("complete")
    _require(tracker)
    here = [run.model_copy(update={"run_id": records[run.model, run.seed].written.run_id}) for run in runs.retrainings]
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
