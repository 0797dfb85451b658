"""TODO search.search."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import Origin, SearchRuns, TrialRun
from pipeline.artifacts.samples import DEVELOPMENT, Samples
from pipeline.artifacts.search_result import (
    STATES,
    TRIAL_COLUMNS,
    SearchResult,
    SpaceEntry,
    StudyInfo,
    TrialScore,
    VariedTrial,
)
from pipeline.core import provenance
from pipeline.execution.executor import open_executor
from pipeline.execution.settings import Workspace
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.search.autotune import choose_layout
from pipeline.search.coordinator import Coordinator
from pipeline.search.selection import best_trial
from pipeline.search.study import open_study
from pipeline.search.study_figures import draw_study, importances
from pipeline.search.trial_table import finished_trials, records, run_name
from pipeline.tracking.mlflow import Tracker
from pipeline.tracking.run_record import StudyRun
from pipeline.training.device import device


def search(
    layout: Layout, name: str, dataset: str, setup: Workspace, *, fresh: bool = False, adopt: str | None = None
) -> None:
    """Resumes what an interrupted search left. fresh: start another study even so; adopt: see `studies`.

    Raises ConfigError or DataError before anything is created, PipelineError if no trial can be completed.
    """
    root, settings, out, development = setup.root, setup.search, layout.search(name), layout.development(dataset)
    samples = Samples.read(development)
    experiment = read_experiment(layout.experiment_file(name), development)
    if settings.workers == "auto" and settings.executor == "local":
        settings = choose_layout(settings, experiment, development, setup.searches / "layouts.json")
    origin = provenance.origin(root)
    versions = origin["versions"]
    made_by = {
        "data": samples.info.digest,
        "code": provenance.code_digest("pipeline.execution.job", "pipeline.search.sampling", "pipeline.search.pruning"),
        **{package: versions[package] for package in ("torch", "timm", "optuna")},
        "device": device() if settings.executor == "local" else "cuda" if settings.gpus else "cpu",
        "threads": str(settings.threads),  # they decide the order of sums
        "decided": "in batches" if settings.reproducible else "as workers come free",
    }
    with open_study(setup.searches, experiment, made_by, fresh=fresh, adopt=adopt) as study:
        if "origin" not in study.optuna.user_attrs:  # of its first trial; later it says the same, whatever the commit
            study.optuna.set_user_attr("origin", origin)
        origin = study.optuna.user_attrs["origin"]
        sources = [samples.source(part) for part in DEVELOPMENT]
        of_stage = provenance.tags(f"search@{experiment.name}", origin)
        of_study = StudyRun(
            experiment.dataset,
            study.name,
            {**study_tags(experiment.name, experiment.objective, made_by), **of_stage},
            tuple(sources),
        )
        earlier = records(study.optuna, experiment)
        with (
            Tracker(root, settings.tracking_uri, of_study, earlier) as tracker,
            open_executor(settings) as executor,
        ):
            reproducible = settings.reproducible
            Coordinator(study, experiment, development, executor, tracker, reproducible=reproducible).run()
            trials = finished_trials(study.optuna, experiment)
            shares = importances(study.optuna, experiment.n_slots)
            draw_study(study.optuna, experiment.objective, out / "figures")
            tracker.log_figures(out / "figures")
    hashes = {"space": provenance.digest(experiment.identity()), **made_by}
    info = study_info(experiment, trials, study.name, hashes).model_copy(
        update={
            "importances": shares,
            "sources": sources,
            "workers": executor.n_workers,
            "threads": settings.threads,
        }
    )
    winner = best_trial(trials)["config"]
    SearchResult(info, trial_table(trials), curve_table(trials), winner, experiment.baseline).write(out)
    ids = tracker.run_ids()
    SearchRuns(
        origin=Origin.model_validate(origin),
        experiment_id=tracker.experiment_id,
        run_id=tracker.run_id,
        trials=[_run(trial, ids.get(run_name(trial["number"]), "")) for trial in trials],
    ).write(layout.search_runs(name))


def study_tags(experiment: str, objective: str, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a study in MLflow."""
    digests = {"data_digest": hashes["data"], "code_digest": hashes["code"]}
    return {"experiment": experiment, "objective": objective, **digests}


def study_info(
    experiment: Experiment, trials: list[dict[str, Any]], study: str, hashes: Mapping[str, str]
) -> StudyInfo:
    """Return what was asked, and in short what came of it."""
    best = best_trial(trials)
    baseline = [t for t in trials if t["role"] == "baseline"][-1]  # of two, the one trained again
    return StudyInfo(
        study=study,
        experiment=experiment.name,
        question=experiment.question,
        dataset=experiment.dataset,
        objective=experiment.objective,
        seed=experiment.seed,
        sampler=experiment.sampler.model_dump(),
        pruner=experiment.pruner.model_dump(),
        space=[SpaceEntry(**vars(entry)) for entry in experiment.space],
        constraints={key: bound.model_dump(exclude_none=True) for key, bound in experiment.constraints.items()},
        n_trials={s: sum(t["state"] == s for t in trials) for s in STATES},
        best=TrialScore(number=best["number"], score=best["score"]),
        baseline=TrialScore(number=baseline["number"], score=baseline["score"]),
        variations=[_variation(experiment, t) for t in trials if t["role"] == "one_at_a_time"],
        importances=None,
        hashes=dict(hashes),
        sources=[],
        workers=1,
        threads=1,
    )


def _variation(experiment: Experiment, trial: dict[str, Any]) -> VariedTrial:
    key, value = experiment.variations[trial["slot"] - 1]
    return VariedTrial(number=trial["number"], key=key, value=value, baseline=experiment.baseline.get(key))


def trial_table(trials: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per trial, its parameters as columns."""
    rows = [{key: trial[key] for key in TRIAL_COLUMNS} | trial["config"] for trial in trials]
    return pd.DataFrame(rows, dtype=object)  # an int stays an int where other trials have no value


def curve_table(trials: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per trial and epoch."""
    table = pd.DataFrame([{"number": trial["number"], **epoch} for trial in trials for epoch in trial["curves"]])
    return table.drop(columns="seconds")


def _run(trial: dict[str, Any], run_id: str) -> TrialRun:
    times = {key: trial[key] for key in ("number", "started_ms", "ended_ms")}
    return TrialRun(run_id=run_id, epoch_seconds=[epoch["seconds"] for epoch in trial["curves"]], **times)
