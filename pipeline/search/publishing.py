"""The runs of a search in MLflow: those of a study that is searched, and a finished one published again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.layout import Layout, rebuild
from pipeline.artifacts.runs import Origin, SearchRuns, TrialRun
from pipeline.artifacts.samples import DataSource
from pipeline.artifacts.search_result import SearchResult, StudyInfo, parameter_texts
from pipeline.core import provenance
from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.execution.settings import Workspace
from pipeline.experiment.experiment import Experiment
from pipeline.search.selection import best_trial, competing
from pipeline.search.study import study_lock
from pipeline.search.trials import EndedTrial, RungScore
from pipeline.tracking.mlflow import write_runs
from pipeline.tracking.run_record import Outcome, StudyRecord, StudyRun


def study_run(
    info: StudyInfo | Experiment, name: str, origin: Origin, sources: Sequence[DataSource], hashes: Mapping[str, str]
) -> StudyRun:
    """Return the run of a study in MLflow, with its tags. name: full name of the study."""
    experiment = info.experiment if isinstance(info, StudyInfo) else info.name
    tags = {"experiment": experiment, "objective": info.objective}
    tags |= {"data_digest": hashes["data"], "code_digest": hashes["code"]}
    tags |= provenance.tags(f"search@{experiment}", origin.model_dump())
    return StudyRun(info.dataset, name, tags, tuple(sources))


def publish_search(root: Path, experiment: str, tracking_uri: str | None) -> None:
    """Write what MLflow lacks of the search. Raises InputError if it is missing, BusyError while it runs."""
    layout = Layout(root)
    folder = layout.search(experiment)
    if not (folder / "study.json").exists():
        raise InputError(f"there is no {folder / 'study.json'}; run: {rebuild(folder)}")
    result, runs = SearchResult.read(folder), SearchRuns.read(layout.search_runs(experiment))
    trials = _published_trials(result, runs, parameter_texts(folder))
    info, best = result.study, best_trial(trials)
    run = study_run(info, runs.study, runs.origin, info.sources, info.hashes)
    study = StudyRecord(run, figures=folder / "figures", winner=best.name, outcome=Outcome("complete"))
    complete = sorted(competing(trials), key=lambda trial: trial.ended_ms)
    for i, last in enumerate(complete):
        study.log("best_score", best_trial(complete[: i + 1]).score or 0.0, last.number, at_ms=last.ended_ms)
    study.log("score", best.score or 0.0, 0, at_ms=best.ended_ms)
    with locked(study_lock(Workspace(root).searches, runs.study), f"study {runs.study}"):
        write_runs(root, tracking_uri, study, [trial.record(info.seed, info.n_seeds) for trial in trials])


def _published_trials(result: SearchResult, runs: SearchRuns, configs: Mapping[int, Configuration]) -> list[EndedTrial]:
    """Return the trials as `results` gives them, from the artifacts. configs: by number."""
    curves = dict(list(result.curves.groupby("number")))
    sources = {n: study for study, numbers in result.study.enqueued_from.items() for n in numbers}
    rows = {row["number"]: row for row in result.trials.astype(object).to_dict("records")}
    return [
        EndedTrial(
            **{key: rows[run.number][key] for key in ("number", "slot", "state", "role", "violation", "reason")},
            config=configs[run.number],
            epochs=tuple(run.epochs(curves[run.number]) if run.number in curves else ()),
            rungs=tuple(_published_rungs(result.rungs, run)),
            score=None if pd.isna(rows[run.number]["score"]) else rows[run.number]["score"],
            died=False,
            diverged=False,
            lost=False,
            started_ms=run.started_ms,
            ended_ms=run.ended_ms,
            source=sources.get(run.number, ""),
        )
        for run in runs.trials
    ]


def _published_rungs(rungs: pd.DataFrame, run: TrialRun) -> list[RungScore]:
    rows: Any = rungs[rungs["number"] == run.number].astype(object).to_dict("records")
    return [
        RungScore(
            rung=row["rung"],
            share=row["share"],
            repeat=row["repeat"],
            score=None if pd.isna(row["score"]) else row["score"],
            steps=None if pd.isna(row["steps"]) else int(row["steps"]),
            parameters=None if pd.isna(row["parameters"]) else int(row["parameters"]),
            seconds=seconds,
            reason=row["reason"],
        )
        for row, seconds in zip(rows, run.epoch_seconds, strict=bool(rows))
    ]
