"""TODO search.search."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.samples import DEVELOPMENT, read_samples
from pipeline.core import provenance
from pipeline.core.files import write_json
from pipeline.core.tables import write_csv
from pipeline.core.yaml_document import write_yaml
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
    file: Path, development: Path, out: Path, setup: Workspace, *, fresh: bool = False, adopt: str | None = None
) -> None:
    """Resumes what an interrupted search left. fresh: start another study even so; adopt: see `studies`.

    Raises ConfigError or DataError before anything is created, PipelineError if no trial can be completed.
    """
    root, settings = setup.root, setup.search
    samples = read_samples(development)
    info = samples.info
    experiment = read_experiment(file, info)
    if settings.workers == "auto" and settings.executor == "local":
        settings = choose_layout(settings, experiment, development, setup.searches / "layouts.json")
    origin = provenance.origin(root)
    versions = origin["versions"]
    made_by = {
        "data": info["digest"],
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
        tags = {
            "experiment": experiment.name,
            "objective": experiment.objective,
            "data_digest": made_by["data"],
            "code_digest": made_by["code"],
        }
        sources = [samples.source(part) for part in DEVELOPMENT]
        of_stage = provenance.tags(f"search@{experiment.name}", origin)
        of_study = StudyRun(experiment.dataset, study.name, {**tags, **of_stage}, tuple(sources))
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
    _write_tables(out, trials, tracker.run_ids())
    write_yaml(out / "best.yaml", {"winner": best_trial(trials)["config"], "baseline": experiment.baseline})
    made = {
        "study": study.name,
        "hashes": {"space": provenance.digest(experiment.identity()), **made_by},
        **origin,
        "tags": tags,
        "sources": sources,
        "workers": executor.n_workers,
        "threads": settings.threads,
        "mlflow": {"experiment_id": tracker.experiment_id, "run_id": tracker.run_id},
    }
    write_json(out / "study.json", {**_told(experiment, trials), "importances": shares, **made})


def _told(experiment: Experiment, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """What was asked, and in short what came of it."""
    best = best_trial(trials)
    baseline = [t for t in trials if t["role"] == "baseline"][-1]  # of two, the one trained again
    references = ("number", "slot", "started_ms", "ended_ms", "violation", "reason")
    return {
        "experiment": experiment.name,
        **{key: getattr(experiment, key) for key in ("question", "dataset", "objective", "seed")},
        "sampler": experiment.sampler.model_dump(),
        "pruner": experiment.pruner.model_dump(),
        "space": [vars(leaf) for leaf in experiment.space],
        "constraints": {key: bound.model_dump(exclude_none=True) for key, bound in experiment.constraints.items()},
        "n_trials": {s: sum(t["state"] == s for t in trials) for s in ("complete", "pruned", "failed")},
        "best": {key: best[key] for key in ("number", "score", "violation")},
        "baseline": {key: baseline[key] for key in ("number", "score")},
        "trials": [{key: t[key] for key in references} for t in trials],
        "variations": [_variation(experiment, t) for t in trials if t["role"] == "one_at_a_time"],
        "seconds": sum(t["seconds"] for t in trials),
    }


def _variation(experiment: Experiment, trial: dict[str, Any]) -> dict[str, Any]:
    """baseline: its own value; None where it leaves the default."""
    key, value = experiment.variations[trial["slot"] - 1]
    return {"number": trial["number"], "key": key, "value": value, "baseline": experiment.baseline.get(key)}


def _write_tables(out: Path, trials: list[dict[str, Any]], run_ids: dict[str, str]) -> None:
    """trials.csv: one row per trial, its parameters as columns; curves.csv: one row per trial and epoch."""
    rows = [
        {key: t[key] for key in ("number", "state", "score", "seconds", "epochs")}
        | {"run_id": run_ids.get(run_name(t["number"])), "role": t["role"], **t["config"]}
        for t in trials
    ]
    table = pd.DataFrame(rows, dtype=object)  # an int stays an int where other trials have no value
    curves = pd.DataFrame([{"number": t["number"], **epoch} for t in trials for epoch in t["curves"]])
    for name, frame in (("trials.csv", table), ("curves.csv", curves)):
        write_csv(out / name, frame)
