"""Publication of a finished search: its runs in MLflow, written again from the artifacts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult, parameter_texts
from pipeline.core import provenance
from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.execution.settings import Workspace
from pipeline.search.result import study_tags
from pipeline.search.selection import best_trial
from pipeline.search.study import study_lock
from pipeline.search.trials import EndedTrial
from pipeline.tracking.mlflow import write_runs
from pipeline.tracking.run_record import Outcome, StudyRecord, StudyRun


def publish_search(root: Path, experiment: str, tracking_uri: str | None) -> None:
    """Write what MLflow lacks of the search. Raises InputError if it is missing, BusyError while it runs."""
    layout = Layout(root)
    folder = layout.search(experiment)
    if not (folder / "study.json").exists():
        raise InputError(f"there is no {folder / 'study.json'}; run: dvc pull {folder} (or dvc repro)")
    result, runs = SearchResult.read(folder), SearchRuns.read(layout.search_runs(experiment))
    trials = published_trials(result, runs, parameter_texts(folder))
    info = result.study
    tags = study_tags(info, info.hashes) | provenance.tags(f"search@{experiment}", runs.origin.model_dump())
    study = StudyRecord(
        StudyRun(info.dataset, runs.study, tags, tuple(info.sources)),
        figures=folder / "figures",
        winner=best_trial(trials).name,
        outcome=Outcome("complete"),
    )
    _log_scores(study, trials)
    with locked(study_lock(Workspace(root).searches, runs.study), f"study {runs.study}"):
        write_runs(root, tracking_uri, study, [trial.record(info.seed) for trial in trials])


def published_trials(result: SearchResult, runs: SearchRuns, configs: Mapping[int, Configuration]) -> list[EndedTrial]:
    """Return the trials as `results` gives them, from the artifacts. configs: by number."""
    curves = dict(list(result.curves.groupby("number")))
    rows = {row["number"]: row for row in result.trials.astype(object).to_dict("records")}
    trials = []
    for run in runs.trials:
        row = rows[run.number]
        epochs = run.epochs(curves[run.number]) if run.number in curves else []
        trials.append(
            EndedTrial(
                **{key: row[key] for key in ("number", "slot", "state", "role", "violation", "reason")},
                config=configs[run.number],
                epochs=tuple(epochs),
                score=None if pd.isna(row["score"]) else row["score"],
                died=False,
                started_ms=run.started_ms,
                ended_ms=run.ended_ms,
            )
        )
    return trials


def _log_scores(study: StudyRecord, trials: Sequence[EndedTrial]) -> None:
    """Log the best score after each complete trial, and that of the search."""
    complete = sorted((trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.ended_ms)
    for i, last in enumerate(complete):
        study.log("best_score", best_trial(complete[: i + 1]).score or 0.0, last.number, at_ms=last.ended_ms)
    best = best_trial(complete)
    study.log("score", best.score or 0.0, 0, at_ms=best.ended_ms)
