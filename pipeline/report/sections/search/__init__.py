"""Every trial of the search, what it cost, and why the best of N trials is optimistic."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.drawing import STATE_COLORS, Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import cell, duration, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.search.figures import cost, history
from pipeline.statistics.scores import LABELS


def context(results: Results) -> dict[str, Any]:
    """Return the trials, the configurations, and the score in search, retrained and on test."""
    study, trials = results.search.study, timed_trials(results.search, results.search_runs)
    models = results.evaluation.info.models
    best = {"winner": study.best, "baseline": study.baseline}
    retrained = {model: float(np.mean([run.val_score for run in results.evaluation.runs(model)])) for model in MODELS}
    on_test = results.scores.means[results.objective]
    shown = trial_table(results.search)
    return {
        "study": study,
        "score": LABELS[results.objective],
        "places": [
            [m, best[m].number, percent(best[m].score), percent(retrained[m]), percent_estimate(on_test[m])]
            for m in MODELS
        ],
        "loss": loss_of_retraining(study.best.score or 0.0, retrained["winner"]),
        "states": states(trials),
        "seconds": seconds_by_state(trials),
        "models": models,
        "configurations": [
            [key, *(cell(models[model].config.get(key)) for model in MODELS)]
            for key in dict.fromkeys(key for model in MODELS for key in models[model].config)
        ],
        "head": [str(name).replace("_", " ") for name in shown],
        "trials": [[cell(value) for value in row] for row in shown.astype(object).to_numpy()],
        "best": shown["number"].tolist().index(study.best.number),
        "runs": [[n, f"{s:.0f}", run or "none"] for n, s, run in trials[["number", "seconds", "run_id"]].to_numpy()],
    }


def loss_of_retraining(best: float, retrained: float) -> str:
    """Return a sentence. best: the winner's score in the search; retrained: its mean over fresh seeds."""
    points = 100 * (best - retrained)
    lower = "no lower" if round(points, 1) <= 0 else f"{points:.1f} points lower"
    return f"Retrained under fresh seeds, the winner scores {lower} on validation than in the search."


def trial_table(search: SearchResult) -> pd.DataFrame:
    """Return the trials without parameters that have one value in all but the baseline, the reason last."""
    tried = search.trials[search.trials["role"] != "baseline"]
    constant = [name for name in search.parameters if tried[name].nunique(dropna=False) < 2]
    unused = [] if search.study.constraints else ["violation"]
    shown = search.trials.drop(columns=["slot", *unused, *constant])
    return shown[[*(name for name in shown if name != "reason"), "reason"]]


def timed_trials(search: SearchResult, runs: SearchRuns) -> pd.DataFrame:
    """Return the trials with `seconds` of training and `run_id`."""
    rows = [(run.number, run.seconds, run.run_id) for run in runs.trials]
    times = pd.DataFrame(rows, columns=["number", "seconds", "run_id"])
    return search.trials.merge(times, on="number", validate="one_to_one")


def states(trials: pd.DataFrame) -> list[list[object]]:
    """Return rows of state, trials and their share; the last row is the sum."""
    counts = {state: int((trials["state"] == state).sum()) for state in STATE_COLORS}
    rows: list[list[object]] = [[state, n, percent(n / len(trials))] for state, n in counts.items()]
    return [*rows, ["all", len(trials), ""]]


def seconds_by_state(trials: pd.DataFrame) -> list[list[str]]:
    """Return rows of state, time of training and its share; the last row is the sum."""
    total = float(trials["seconds"].sum())
    spent = {state: float(trials.loc[trials["state"] == state, "seconds"].sum()) for state in STATE_COLORS}
    rows = [[state, duration(s), percent(s / total) if total else "–"] for state, s in spent.items()]
    return [*rows, ["all", duration(total), ""]]


def draw(results: Results) -> list[Picture]:
    """Draw the trials in their order, and over the time of training."""
    score, trials = LABELS[results.objective], timed_trials(results.search, results.search_runs)
    return [Picture("history", png(history(trials, score))), Picture("cost", png(cost(trials, score)), run=True)]


SECTION = Section(order=30, title="Search", context=context, figures=draw)
