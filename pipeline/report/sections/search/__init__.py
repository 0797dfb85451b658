"""Every trial of the search, what it cost, and why the best of N trials is optimistic."""

from collections.abc import Callable
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
from pipeline.report.sections.search.trials import given_rows, trials_on_page
from pipeline.statistics.scores import LABELS


def context(results: Results) -> dict[str, Any]:
    """Return the trials, the configurations, and the score in search, retrained and on test."""
    study, trials = results.search.study, timed_trials(results.search, results.search_runs)
    models = results.evaluation.info.models
    best = {"winner": study.best, "baseline": study.baseline}
    retrained = {model: float(np.mean([run.val_score for run in results.evaluation.runs(model)])) for model in MODELS}
    on_test = results.scores.means[results.objective]
    return {
        "study": study,
        "score": LABELS[results.objective],
        "places": [
            [m, best[m].number, percent(best[m].score), percent(retrained[m]), percent_estimate(on_test[m])]
            for m in MODELS
        ],
        "loss": loss_of_retraining(study.best.score or 0.0, retrained["winner"]),
        "states": by_state(trials, pd.Series(1, trials.index), int),
        "seconds": by_state(trials, trials["seconds"], duration),
        "given": given_rows(results.search),
        "models": models,
        "configurations": [
            [key, *(cell(models[model].config.get(key)) for model in MODELS)]
            for key in dict.fromkeys(key for model in MODELS for key in models[model].config)
        ],
        "shown": trials_on_page(results.search),
        "runs": [[n, f"{s:.0f}", run or "none"] for n, s, run in trials[["number", "seconds", "run_id"]].to_numpy()],
    }


def loss_of_retraining(best: float, retrained: float) -> str:
    """Return a sentence. best: the winner's score in the search; retrained: its mean over fresh seeds."""
    points = 100 * (best - retrained)
    lower = "no lower" if round(points, 1) <= 0 else f"{points:.1f} points lower"
    return f"Retrained under fresh seeds, the winner scores {lower} on validation than in the search."


def timed_trials(search: SearchResult, runs: SearchRuns) -> pd.DataFrame:
    """Return the trials with `seconds` of training and `run_id`."""
    rows = [(run.number, run.seconds, run.run_id) for run in runs.trials]
    times = pd.DataFrame(rows, columns=["number", "seconds", "run_id"])
    return search.trials.merge(times, on="number", validate="one_to_one")


def by_state(trials: pd.DataFrame, amounts: pd.Series, show: Callable[[float], Any]) -> list[list[Any]]:
    """Return rows of state, its shown amount and its share; the last row is the sum. amounts: of each trial."""
    total = amounts.sum()
    of_states = {state: amounts[trials["state"] == state].sum() for state in STATE_COLORS}
    rows = [[state, show(amount), percent(amount / total) if total else "–"] for state, amount in of_states.items()]
    return [*rows, ["all", show(total), ""]]


def draw(results: Results) -> list[Picture]:
    """Draw the trials in their order, and over the time of training."""
    score, trials = LABELS[results.objective], timed_trials(results.search, results.search_runs)
    return [Picture("history", png(history(trials, score))), Picture("cost", png(cost(trials, score)), run=True)]


SECTION = Section(order=30, title="Search", context=context, figures=draw, scripts=("lines.js", "table.js"))
