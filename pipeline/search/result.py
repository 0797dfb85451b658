"""The result of a search as artifacts: what it found, and what differs in every run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

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
)
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.search.selection import best_trial
from pipeline.search.study import OpenStudy
from pipeline.search.study_figures import importances
from pipeline.search.trials import EndedTrial, RungScore, ended_trials, results
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
