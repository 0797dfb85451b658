"""The result of a search as artifacts: what it found, and what differs in every run."""

from collections.abc import Mapping, Sequence

import pandas as pd

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
from pipeline.search.study import OpenStudy, base_name
from pipeline.search.study_figures import importances
from pipeline.search.trials import EndedTrial, ended_trials, results
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
    info = StudyInfo(
        study=base_name(study.name),
        experiment=experiment.name,
        question=experiment.question,
        dataset=experiment.dataset,
        objective=experiment.objective,
        seed=experiment.seed,
        sampler=experiment.sampler.model_dump(),
        pruner=experiment.pruner.model_dump(),
        space=list(experiment.space),
        constraints={key: bound.model_dump(exclude_none=True) for key, bound in experiment.constraints.items()},
        n_trials={state: sum(trial.state == state for trial in trials) for state in STATES},
        best=TrialScore(number=best.number, score=best.score),
        baseline=TrialScore(number=baseline.number, score=baseline.score),
        variations=[_varied(experiment, trial) for trial in trials if trial.role == "one_at_a_time"],
        importances=importances(study.optuna, experiment.n_slots),
        hashes=dict(hashes),
        sources=list(sources),
        threads=settings.threads,
    )
    return SearchResult(info, _trial_table(trials), _curve_table(trials), best.config, experiment.baseline)


def search_runs(study: OpenStudy, experiment: Experiment, origin: Origin, tracker: Tracker) -> SearchRuns:
    """Return when and where each trial ran."""
    ids = tracker.run_ids()
    return SearchRuns(
        study=study.name,
        origin=origin,
        experiment_id=tracker.experiment_id,
        run_id=tracker.study.written.run_id,
        trials=[
            TrialRun(
                number=trial.number,
                run_id=ids.get(trial.name, ""),
                started_ms=trial.started_ms,
                ended_ms=trial.ended_ms,
                epoch_seconds=[epoch.seconds for epoch in trial.epochs],
            )
            for trial in results(ended_trials(study.optuna), experiment)
        ],
    )


def study_tags(info: StudyInfo | Experiment, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a study in MLflow."""
    name = info.experiment if isinstance(info, StudyInfo) else info.name
    digests = {"data_digest": hashes["data"], "code_digest": hashes["code"]}
    return {"experiment": name, "objective": info.objective, **digests}


def _varied(experiment: Experiment, trial: EndedTrial) -> VariedTrial:
    key, value = experiment.variations[trial.slot - 1]
    return VariedTrial(number=trial.number, key=key, value=value, baseline=experiment.baseline.get(key))


def _trial_table(trials: Sequence[EndedTrial]) -> pd.DataFrame:
    """Return one row per trial, its parameters as columns."""
    rows = [{**vars(trial), "epochs": len(trial.epochs)} for trial in trials]
    columns = [{key: row[key] for key in TRIAL_COLUMNS} | row["config"] for row in rows]
    return pd.DataFrame(columns, dtype=object)  # an int stays an int where other trials have no value


def _curve_table(trials: Sequence[EndedTrial]) -> pd.DataFrame:
    """Return one row per trial and epoch."""
    rows = [{"number": trial.number, **vars(epoch)} for trial in trials for epoch in trial.epochs]
    return pd.DataFrame(rows).drop(columns="seconds")
