"""The scores of the trials, in their order and over the time of training."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pipeline.report.drawing import GREEN, ORANGE, STATE_COLORS, canvas, percents, styled

STATE_MARKERS = {"complete": "o", "pruned": "v", "failed": "x"}


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
