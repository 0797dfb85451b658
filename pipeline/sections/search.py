"""Every trial, and the same score seen three ways."""

from typing import Any

import numpy as np

from pipeline.figures import Picture, png
from pipeline.figures import search as figures
from pipeline.pages import percent, percent_estimate
from pipeline.performance import Scores
from pipeline.results import MODELS, Evaluation, Search
from pipeline.sections import LABELS


def content(found: Search, evaluation: Evaluation, scores: Scores, main: str) -> dict[str, Any]:
    """Every trial, and the same score seen three ways: best of N, retrained, untouched."""
    study = found.study
    sights = [
        [
            model,
            str(trial["number"]),
            percent(trial["score"]),
            percent(float(np.mean([run["val_score"] for run in evaluation.runs(model)]))),
            percent_estimate(scores.means[main][model]),
        ]
        for model, trial in (("winner", study["best"]), ("baseline", study["baseline"]))
    ]
    return {
        "sights": sights,
        "main": LABELS[main],
        "head": [name.replace("_", " ") for name in found.trials.columns],
        "trials": found.trials.astype(object).to_dict("records"),
        "pruned_share": study["n_trials"]["pruned"] / max(1, sum(study["n_trials"].values())),
        "configurations": [
            (key, *(evaluation.info["models"][model]["config"].get(key) for model in MODELS))
            for key in dict.fromkeys(k for m in MODELS for k in evaluation.info["models"][m]["config"])
        ],
    }


def draw(found: Search) -> dict[str, Picture]:
    trials = found.trials
    objective = LABELS[found.study["objective"]]
    varied = [name for name in found.parameters if trials[name].nunique() > 1]
    pictures = [
        Picture(
            "history", png(figures.history(trials, objective)),
            f"Scatter of the {objective} on val over the trial number, with the best so far as a rising line.",
            "Optimisation history. The line is the best complete trial so far: it can only rise, also by luck.",
        )
    ]  # fmt: skip
    if varied:
        pictures.append(
            Picture(
                "slices", png(figures.slices(trials, varied[:12], objective)),
                f"Score of each trial over each varied parameter: {', '.join(varied[:12])}.",
                "Score over each parameter that varied. Parameters moved together, so a slope here is no effect by "
                "itself." + (f" The first 12 of {len(varied)} are shown." if len(varied) > 12 else ""),
            )
        )  # fmt: skip
    return {p.name: p for p in pictures}
