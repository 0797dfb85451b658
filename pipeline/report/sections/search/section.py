"""Every trial, what it cost, and the same score seen three ways."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.drawing import STATE_COLORS, Picture, png
from pipeline.report.formatting import duration, percent, percent_estimate
from pipeline.report.sections.performance.analysis import Scores
from pipeline.report.sections.search import figures as figures
from pipeline.statistics.scores import LABELS


def content(found: SearchResult, evaluation: Evaluation, runs: SearchRuns, scores: Scores, main: str) -> dict[str, Any]:
    """The same score: best of N, retrained, untouched."""
    best = {"winner": found.study.best, "baseline": found.study.baseline}
    retrained = {
        model: float(np.mean([run.val_score for run in evaluation.runs(model)])) for model in MODELS
    }  # on val, mean over seeds
    sights = [
        [
            model,
            str(best[model].number),
            percent(best[model].score),
            percent(retrained[model]),
            percent_estimate(scores.means[main][model]),
        ]
        for model in MODELS
    ]
    tried = found.trials[found.trials["role"] != "baseline"]
    alike = [name for name in found.parameters if tried[name].nunique(dropna=False) < 2]
    trials = timed_trials(found, runs).drop(columns=["slot", *alike])
    return {
        "sights": sights,
        "gap": said_of_gap(best["winner"].score or 0.0, retrained["winner"]),
        "main": LABELS[main],
        "states": states(timed_trials(found, runs)),
        "head": [name.replace("_", " ") for name in trials.columns],
        "trials": trials.astype(object).to_dict("records"),
        "configurations": [
            (key, *(evaluation.info.models[model].config.get(key) for model in MODELS))
            for key in dict.fromkeys(k for m in MODELS for k in evaluation.info.models[m].config)
        ],
    }


def said_of_gap(best: float, retrained: float) -> str:
    """best: the winner's score in the search; retrained: its mean over fresh seeds, on the same val."""
    points = 100 * (best - retrained)
    if round(points, 1) <= 0:
        return "Retrained under fresh seeds, the winner scores no lower on validation than in the search."
    return f"Retrained under fresh seeds, the winner scores {points:.1f} points lower on validation than in the search."


def timed_trials(found: SearchResult, runs: SearchRuns) -> pd.DataFrame:
    """Return the trials with `seconds` of training and `run_id`."""
    table = pd.DataFrame(
        [(run.number, run.seconds, run.run_id) for run in runs.trials], columns=["number", "seconds", "run_id"]
    )
    return found.trials.merge(table, on="number", validate="one_to_one")


def states(trials: pd.DataFrame) -> list[list[str]]:
    """Rows state, trials, their share, time of training, its share; the last one sums up."""
    total = float(trials["seconds"].sum())
    rows = []
    for state in STATE_COLORS:
        those = trials[trials["state"] == state]
        seconds = float(those["seconds"].sum())
        share = percent(seconds / total) if total else "–"
        rows.append([state, str(len(those)), percent(len(those) / len(trials)), duration(seconds), share])
    return [*rows, ["all", str(len(trials)), "", duration(total), ""]]


def draw(found: SearchResult, runs: SearchRuns) -> dict[str, Picture]:
    objective = LABELS[found.study.objective]
    pictures = [
        Picture(
            "history", png(figures.history(found.trials, objective)),
            f"Scatter of the {objective} on val over the trial number, with the best so far as a rising line.",
            "Optimisation history. The line is the best complete trial so far: it can only rise, also by luck. A "
            "pruned trial stands at the best score it reached.",
        ),
        Picture(
            "cost", png(figures.cost(timed_trials(found, runs), objective)),
            f"The best {objective} on val so far over the time of training; a strip below shows each trial's state.",
            "Time of training, one trial after the other; trials that ran side by side took less on the clock. The "
            "strip shows every trial by its state.",
        ),
    ]  # fmt: skip
    return {p.name: p for p in pictures}
