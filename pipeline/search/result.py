"""The result of a search: as artifacts, what it found and what differs in every run; and published in MLflow again."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.layout import Layout, rebuild
from pipeline.artifacts.rungs import RUNG_COLUMNS, no_rungs
from pipeline.artifacts.runs import Origin, SearchRuns, TrialRun
from pipeline.artifacts.samples import DataSource
from pipeline.artifacts.search_result import (
    STATES,
    TRIAL_COLUMNS,
    SearchResult,
    StudyInfo,
    TrialScore,
    VariedTrial,
    parameter_texts,
)
from pipeline.core import provenance
from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.experiment.experiment import Experiment
from pipeline.search.selection import best_trial, competing
from pipeline.search.study import OpenStudy, study_lock
from pipeline.search.study_figures import importances
from pipeline.search.trials import EndedTrial, RungScore, ended_trials, results
from pipeline.tracking.mlflow import write_runs
from pipeline.tracking.run_record import Outcome, StudyRecord, StudyRun
from pipeline.tracking.tracker import Tracker


def search_result(
    study: OpenStudy,
    experiment: Experiment,
    hashes: Mapping[str, str],
    sources: Sequence[DataSource],
    settings: SearchSettings,
) -> SearchResult:
    """Return what a finished search found. hashes: what the study is named by."""
    trials = results(ended_trials(study.optuna), experiment)
    best = best_trial(trials)
    baseline = [trial for trial in trials if trial.role == "baseline"][-1]  # of two, the one trained again
    name, _, digest = study.name.partition("@")
    info = StudyInfo(
        study=f"{name}@{digest.partition('.')[0]}",  # without the number that `fresh` adds: equal for equal results
        experiment=experiment.name,
        sampler=experiment.sampler.model_dump(),
        pruner=experiment.pruner.model_dump(),
        space=list(experiment.space),
        constraints={key: bound.model_dump(exclude_none=True) for key, bound in experiment.constraints.items()},
        n_trials={state: sum(trial.state == state for trial in trials) for state in STATES},
        best=TrialScore(number=best.number, score=best.score),
        baseline=TrialScore(number=baseline.number, score=baseline.score),
        variations=[_varied(experiment, trial) for trial in trials if trial.role == "one_at_a_time"],
        enqueued_from=_enqueued_from(trials),
        fidelity=experiment.fidelity.model_dump() if experiment.fidelity else None,
        importances=importances(study.optuna, experiment.n_slots),
        hashes=dict(hashes),
        sources=list(sources),
        threads=settings.threads,
        **experiment.model_dump(include={"question", "registration", "dataset", "objective", "seed"}),
    )
    rows = [_row(trial, experiment) for trial in trials]
    columns = [{key: row[key] for key in TRIAL_COLUMNS} | row["config"] for row in rows]
    table = pd.DataFrame(columns, dtype=object)  # an int stays an int where other trials have no value
    curves = pd.DataFrame([{"number": trial.number, **vars(epoch)} for trial in trials for epoch in trial.epochs])
    rungs = [{"number": trial.number, **vars(each)} for trial in trials for each in _by_rung(trial)]
    table_of_rungs = pd.DataFrame(rungs, columns=list(RUNG_COLUMNS), dtype=object) if rungs else no_rungs()
    return SearchResult(info, table, curves.drop(columns="seconds"), best.config, experiment.baseline, table_of_rungs)


def _by_rung(trial: EndedTrial) -> list[RungScore]:
    return sorted(trial.rungs, key=lambda each: (each.rung, each.repeat))  # the order in which they ended varies


def _row(trial: EndedTrial, experiment: Experiment) -> dict[str, Any]:
    """Return the values of TRIAL_COLUMNS, and `config`. A trial without rungs was trained once, in full."""
    drawn, index = trial.source or "given", trial.slot - experiment.first_sampled
    if trial.role == "search":
        drawn = experiment.sampler.drawn_by(index, len(experiment.families))
    reached = {"rung": 0, "share": 1.0, "steps": None, "epochs": len(trial.epochs)}
    if scored := [each for each in _by_rung(trial) if each.score is not None] or _by_rung(trial)[-1:]:
        reached = {"rung": scored[-1].rung, "share": scored[-1].share, "steps": scored[-1].steps, "epochs": None}
    return {**vars(trial), "drawn": drawn, **reached}


def _varied(experiment: Experiment, trial: EndedTrial) -> VariedTrial:
    key, value = experiment.variations[trial.slot - 1]
    return VariedTrial(number=trial.number, key=key, value=value, baseline=experiment.baseline.get(key))


def _enqueued_from(trials: Iterable[EndedTrial]) -> dict[str, list[int]]:
    """Return the numbers of the trials by the study that their configurations come from."""
    numbers: dict[str, list[int]] = {}
    for trial in trials:
        if trial.source:
            numbers.setdefault(trial.source, []).append(trial.number)
    return numbers


def search_runs(study: OpenStudy, experiment: Experiment, origin: Origin, tracker: Tracker) -> SearchRuns:
    """Return when and where each trial ran."""
    ids = tracker.run_ids()
    trials = [
        TrialRun(
            number=trial.number,
            run_id=ids.get(trial.name, ""),
            started_ms=trial.started_ms,
            ended_ms=trial.ended_ms,
            epoch_seconds=[each.seconds for each in _by_rung(trial) or trial.epochs],
        )
        for trial in results(ended_trials(study.optuna), experiment)
    ]
    ours = {"experiment_id": tracker.experiment_id, "run_id": tracker.study.written.run_id}
    return SearchRuns(study=study.name, origin=origin, trials=trials, **ours)


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
