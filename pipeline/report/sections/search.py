"""Every trial of the search, what it cost, and why the best of N trials is optimistic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import GIVEN, SearchResult
from pipeline.report.drawing import GREEN, ORANGE, STATE_COLORS, Picture, canvas, percents, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import cell, duration, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.statistics.scores import LABELS

STATE_MARKERS = {"complete": "o", "pruned": "v", "failed": "x"}


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
        "states": by_state(trials, pd.Series(1, trials.index), int),
        "seconds": by_state(trials, trials["seconds"], duration),
        "given": given_rows(results.search),
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
    unused += [] if search.study.fidelity else ["rung", "share", "steps"]
    unused += [] if search.study.fidelity or search.study.enqueued_from else ["drawn"]
    shown = search.trials.drop(columns=["slot", *unused, *constant])
    return shown[[*(name for name in shown if name != "reason"), "reason"]]


def given_rows(search: SearchResult) -> list[list[Any]]:
    """Return the best score with and without configurations that people chose, or another study; empty without them.

    Also empty for a search with rungs, whose section of answers compares them at the last one.
    """
    trials = search.trials[search.trials["state"] == "complete"]
    is_given = trials["role"].isin(GIVEN)
    if search.study.fidelity or not is_given.any():
        return []
    members = {"all trials": trials}
    for study, numbers in search.study.enqueued_from.items():
        members[f"without those of {study}"] = trials[~trials["number"].isin(numbers)]
    members["without reference and enqueued"] = trials[~is_given]
    members["sampled alone"] = trials[trials["role"] == "search"]
    rows = []
    for label, of in members.items():
        best = of.nlargest(1, "score")
        shown = [best["number"].item(), percent(best["score"].item())] if len(of) else ["none", "–"]
        rows.append([label, len(of), *shown])
    return rows


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


@styled
def history(trials: pd.DataFrame, objective: str) -> Figure:
    """Draw the scores in the order of the trials, and the best complete one so far."""
    figure, axes = canvas(3.3)
    axis = axes[0, 0]
    _best_so_far(axis, trials, trials["number"])
    trial_points(axis, trials, trials["number"])
    axis.set(xlabel="trial", ylabel=f"{objective} on val", title="Every trial, in order")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.set_major_formatter(percents)
    figure.legend(*axis.get_legend_handles_labels(), fontsize=9, loc="outside lower center", ncols=6)
    return figure


def _best_so_far(axis: Axes, trials: pd.DataFrame, x: pd.Series) -> None:
    """Draw the best complete score, to the last x even if the last trial was pruned or failed."""
    best = trials.loc[trials["state"] == "complete", "score"].cummax()
    if len(best):
        steps, scores = [*x[best.index], x.iloc[-1]], [*best, best.iloc[-1]]
        axis.step(steps, scores, where="post", color="black", lw=1.4, label="best so far")


def trial_points(axis: Axes, trials: pd.DataFrame, x: pd.Series, *, size: float = 34) -> None:
    """Draw each trial at x and its score, marked by state and role."""
    for state, marker in STATE_MARKERS.items():
        rows = trials["state"] == state
        if state != "failed":
            rows &= trials["role"] == "search"
        where: dict[str, Any] = {"y": trials.loc[rows, "score"]}
        if state == "failed":  # no score: marked on the axis
            where = {"y": np.zeros(rows.sum()), "transform": axis.get_xaxis_transform(), "clip_on": False}
        if rows.any():
            axis.scatter(x[rows], marker=marker, s=size, color=STATE_COLORS[state], alpha=0.85, label=state, **where)
    for role, marker, color in (("baseline", "D", ORANGE), ("one_at_a_time", "s", GREEN)):
        rows = (trials["role"] == role) & (trials["state"] == "complete")
        if rows.any():
            label = role.replace("_", " ")
            axis.scatter(x[rows], trials.loc[rows, "score"], marker=marker, s=size * 1.2, color=color, label=label)


@styled
def cost(trials: pd.DataFrame, objective: str) -> Figure:
    """Draw the best score so far over the time of training; a strip below shows the state of each trial."""
    figure, axes = canvas(3.1, 2, 1, sharex=True, height_ratios=[9, 1])
    above, below = axes[:, 0]
    total = trials["seconds"].sum()
    unit, seconds = ("hours", 3600) if total >= 5400 else ("minutes", 60) if total >= 90 else ("seconds", 1)
    end = trials["seconds"].cumsum() / seconds
    done = trials["state"] == "complete"
    _best_so_far(above, trials, end)
    trial_points(above, trials[done], end[done], size=24)
    above.set(ylabel=f"{objective} on val", title="Best so far over the time of training")
    above.yaxis.set_major_formatter(percents)
    for state, color in STATE_COLORS.items():
        rows = trials["state"] == state
        spent = trials.loc[rows, "seconds"] / seconds
        below.broken_barh(list(zip(end[rows] - spent, spent, strict=True)), (0, 1), color=color, ec="white", lw=0.6)
    below.set(xlabel=f"{unit} of training, added up", yticks=[], ylim=(0, 1), xlim=(0, None))
    below.grid(visible=False)
    shown = [Patch(color=color, label=s) for s, color in STATE_COLORS.items() if (trials["state"] == s).any()]
    below.legend(handles=shown, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -1.9))
    return figure


def draw(results: Results) -> list[Picture]:
    """Draw the trials in their order, and over the time of training."""
    score, trials = LABELS[results.objective], timed_trials(results.search, results.search_runs)
    return [Picture("history", png(history(trials, score))), Picture("cost", png(cost(trials, score)), run=True)]


SECTION = Section(order=30, title="Search", context=context, figures=draw)
