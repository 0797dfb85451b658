"""The trials of a search, in order and over each parameter."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from pipeline.figures import ORANGE, STATE_COLORS, canvas, short, styled


@styled
def history(trials: pd.DataFrame, objective: str) -> Figure:
    """Scores in the order of the trials, and the best complete one so far."""
    figure, axes = canvas(3.1)
    axis = axes[0, 0]
    done = trials[trials["state"] == "complete"]
    if len(done):
        axis.step(done["number"], done["score"].cummax(), where="post", color="black", lw=1.4, label="best so far")
    _trial_points(axis, trials, trials["number"])
    axis.set(xlabel="trial", ylabel=f"{objective} on val", title="Every trial, in order")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=9, loc="lower right")
    return figure


def _trial_points(axis: Axes, trials: pd.DataFrame, x: pd.Series, size: float = 34) -> None:
    for state, marker in (("complete", "o"), ("pruned", "v"), ("failed", "x")):
        rows = (trials["state"] == state) & (trials["role"] != "baseline")
        where: dict[str, Any]
        if state == "failed":  # no score: marked on the axis
            where = {"y": np.zeros(rows.sum()), "transform": axis.get_xaxis_transform(), "clip_on": False}
        else:
            where = {"y": trials.loc[rows, "score"]}
        if rows.any():
            axis.scatter(x[rows], marker=marker, s=size, color=STATE_COLORS[state], alpha=0.85, label=state, **where)
    base = (trials["role"] == "baseline") & trials["score"].notna()
    axis.scatter(x[base], trials.loc[base, "score"], marker="D", s=size * 1.3, color=ORANGE, label="baseline", zorder=3)


@styled
def slices(trials: pd.DataFrame, parameters: Sequence[str], objective: str) -> Figure:
    """The score over each parameter, one panel each; numbers that span a factor of 10 on a log axis."""
    columns = min(3, len(parameters))
    rows = math.ceil(len(parameters) / columns)
    figure, axes = canvas(2.35 * rows + 0.2, rows, columns, sharey=True)
    rng = np.random.default_rng(0)  # jitter, so that equal choices do not hide each other
    for axis, name in zip(axes.flat, parameters, strict=False):
        shown = trials[trials[name].notna() & (trials["state"] != "failed")]
        values = shown[name]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            x = values.astype(float)
            if x.min() > 0 and x.max() / x.min() >= 10:
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.xaxis.set_minor_formatter(NullFormatter())
        else:
            choices = sorted(values.astype(str).unique())
            x = pd.Series([choices.index(str(v)) for v in values], index=shown.index, dtype=float)
            x += rng.uniform(-0.12, 0.12, len(x))
            axis.set_xticks(
                range(len(choices)), [short(c, 14) for c in choices], rotation=20 if len(choices) > 2 else 0
            )
            axis.set_xlim(-0.5, len(choices) - 0.5)
        _trial_points(axis, shown, x, size=22)
        axis.set_title(short(name, 24), fontsize=10)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{objective}, val", fontsize=9.5)
    for axis in axes.flat[len(parameters) :]:
        axis.remove()
    return figure
