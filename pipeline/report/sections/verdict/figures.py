"""Scores with their intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.report.drawing import MODEL_COLORS, canvas, styled
from pipeline.statistics.intervals import Estimate


@styled
def score_points(
    seeds: Mapping[str, Mapping[str, NDArray[Any]]], means: Mapping[str, Mapping[str, Estimate]]
) -> Figure:
    """Draw every seed, mean and interval. seeds: score -> model -> (S,); means: score -> model."""
    names = list(seeds)
    figure, axes = canvas(0.75 * len(names) + 1.0)
    axis = axes[0, 0]
    for row, name in enumerate(names):
        for offset, model in ((-0.17, "winner"), (0.17, "baseline")):
            color, y = MODEL_COLORS[model], row + offset
            points, estimate = seeds[name][model], means[name][model]
            axis.plot(points, np.full(len(points), y + 0.1), "o", color=color, ms=4, alpha=0.6)
            mean = float(np.mean(points))
            ends = [mean if end is None else end for end in (estimate.low, estimate.high)]
            axis.plot(ends, [y, y], color=color, lw=2.4, solid_capstyle="butt")
            axis.plot(mean, y, "D", color=color, ms=6.5, mec="white", label=model if row == 0 else None)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axis.set(title="Test part: mean, 95 % interval, every seed", xlabel="%")
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure
