"""All experiments compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.report.drawing import BLUE, MODEL_COLORS, ORANGE, canvas, percents, short, styled
from pipeline.statistics.intervals import Estimate


@styled
def leaderboard(rows: Sequence[tuple[str, Estimate, float]], label: str) -> Figure:
    """Draw a line per experiment. rows: experiment, winner with its interval, mean of the baseline."""
    figure, axes = canvas(0.45 * len(rows) + 1.25)
    axis = axes[0, 0]
    for y, (_, winner, baseline) in enumerate(rows):
        ends = [winner.value if end is None else end for end in (winner.low, winner.high)]
        axis.plot(ends, [y, y], "|-", color=BLUE, lw=1.6, ms=13, mew=1.6)
        axis.plot(winner.value, y, "D", color=BLUE, ms=5, label="winner" if y == 0 else None)
        axis.plot(baseline, y, "o", color=ORANGE, ms=5.5, label="baseline" if y == 0 else None)
    axis.set_yticks(range(len(rows)), [short(name, 28) for name, _, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.xaxis.set_major_formatter(percents)
    axis.set(xlabel=label)
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@styled
def panels(experiments: Mapping[str, Mapping[str, tuple[NDArray[Any], Estimate]]], label: str) -> Figure:
    """Draw a panel per experiment, each with its own scale. experiments: name -> model -> seeds (S,) and their mean."""
    columns = min(3, len(experiments))
    rows = -(-len(experiments) // columns)
    figure, axes = canvas(2.35 * rows + 0.35, rows, columns)
    for axis, (name, models) in zip(axes.flat, experiments.items(), strict=False):
        for x, (model, (seeds, mean)) in enumerate(models.items()):
            ends = [mean.value if end is None else end for end in (mean.low, mean.high)]
            axis.plot([x, x], ends, color=MODEL_COLORS[model], lw=2.4, solid_capstyle="butt")
            axis.plot(x, mean.value, "D", color=MODEL_COLORS[model], ms=6, mec="white")
            axis.plot(np.full(len(seeds), x + 0.18), seeds, "o", color=MODEL_COLORS[model], ms=3.5, alpha=0.6)
        axis.set_xticks(range(len(models)), list(models), fontsize=9)
        axis.set_xlim(-0.6, len(models) - 0.4)
        axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.yaxis.set_major_formatter(percents)
        axis.set_title(short(name, 20), fontsize=10)
        axis.grid(axis="x", visible=False)
    for axis in axes.flat[len(experiments) :]:
        axis.axis("off")
    figure.supylabel(label, fontsize=10)
    return figure
