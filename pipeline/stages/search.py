"""search: finds the best configuration of an experiment's space on the development part.

data/split/<dataset>/development, experiments/<e>.yaml -> data/search/<e>/{trials.csv,curves.csv,best.yaml,study.json}
"""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import lineage
from pipeline.config import write_yaml
from pipeline.data import read_samples
from pipeline.files import write_json, writing
from pipeline.search import Coordinator, best_trial, digest, finished_trials, open_study, study_name
from pipeline.space import read_experiment
from pipeline.tracking import Tracker
from pipeline.workers import LocalExecutor, Setup


def run(file: Path, development: Path, out: Path, setup: Setup) -> None:
    """Resumes what an interrupted search left.

    Raises ConfigError or DataError before anything is created, PipelineError if no trial can be completed.
    """
    root = setup.root
    info = read_samples(development).info
    experiment = read_experiment(file, info)
    versions = lineage.versions()
    made_by = {
        "data": info["digest"],
        "code": lineage.code_digest("pipeline.workers", "pipeline.space"),
        **{package: versions[package] for package in ("torch", "timm", "optuna")},
        "workers": str(setup.workers),  # they decide the batches that the sampler sees
        "threads": str(setup.threads),  # and these the order of sums
    }
    name = study_name(experiment, made_by)
    with open_study(root / ".state" / "search", name, experiment) as study:
        tags = {
            **lineage.tags(root, f"search@{experiment.name}"),
            "experiment": experiment.name,
            "objective": experiment.objective,
            "data_digest": made_by["data"],
            "code_digest": made_by["code"],
        }
        tracker = Tracker(root, setup.tracking_uri, experiment.dataset, name, tags)
        tracker.log_data(experiment.dataset, made_by["data"], info["source_url"], "development")
        with LocalExecutor(setup.workers, setup.threads) as executor:
            Coordinator(study, experiment, development, executor, tracker).run()
        trials = finished_trials(study, experiment)
    best = best_trial(trials)
    baseline = [t for t in trials if t["role"] == "baseline"][-1]  # of two, the one trained again
    _write_tables(out, trials)
    write_yaml(out / "best.yaml", {"winner": best["config"], "baseline": experiment.baseline})
    write_json(
        out / "study.json",
        {
            "study": name,
            **{key: getattr(experiment, key) for key in ("question", "dataset", "objective", "seed")},
            "experiment": experiment.name,
            "sampler": experiment.sampler.model_dump(),
            "pruner": experiment.pruner.model_dump(),
            "space": [vars(leaf) for leaf in experiment.space],
            "hashes": {"space": digest(experiment.identity()), **made_by},
            "versions": versions,
            "hardware": lineage.hardware(),
            "workers": setup.workers,
            "threads": setup.threads,
            "git": lineage.git_state(root),
            "n_trials": {s: sum(t["state"] == s for t in trials) for s in ("complete", "pruned", "failed")},
            "best": {"number": best["number"], "score": best["score"]},
            "baseline": {key: baseline[key] for key in ("number", "score")},
            "seconds": sum(t["seconds"] for t in trials),
            "mlflow": {"experiment_id": tracker.experiment_id, "run_id": tracker.run_id},
        },
    )


def _write_tables(out: Path, trials: list[dict[str, Any]]) -> None:
    """trials.csv: one row per trial, its parameters as columns; curves.csv: one row per trial and epoch."""
    heads = ("number", "state", "score", "seconds", "epochs", "run_id", "role")
    rows = [{**{key: t[key] for key in heads}, **t["config"]} for t in trials]
    table = pd.DataFrame(rows, dtype=object)  # an int stays an int where other trials have no value
    curves = pd.DataFrame([{"number": t["number"], **epoch} for t in trials for epoch in t["curves"]])
    for name, frame in (("trials.csv", table), ("curves.csv", curves)):
        with writing(out / name) as part:
            frame.to_csv(part, index=False, lineterminator="\n")
