"""Confusion matrices, scores with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.report.drawing import MODEL_COLORS, WIDTH_IN, canvas, short, styled
from pipeline.statistics.intervals import Estimate


@styled
def confusion(matrices: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> Figure:
    """matrices: title -> (K, K) counts, rows are the truth. Colour and percentage: share of the row."""
    k, n = len(classes), len(matrices)
    names = [short(name, 12) for name in classes]
    room_in = 0.09 * max(map(len, names))  # what the names take of either side
    level = room_in < (WIDTH_IN - 0.3 - room_in) / n / k
    figure, axes = canvas((WIDTH_IN - 0.3 - room_in) / n + (0.75 if level else 0.75 + 0.65 * room_in), 1, n)
    for i, (axis, (title, counts)) in enumerate(zip(axes[0], matrices.items(), strict=True)):
        totals = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
        text = [[_cell(counts[r, c], share[r, c]) for c in range(k)] for r in range(k)]
        size = 8.5 if k > 5 else 10 if n > 1 else 13
        # the square root makes a row share of 1 % visible beside one of 99 %
        sns.heatmap(
            share, ax=axis, annot=text, fmt="", cmap="Blues", norm=PowerNorm(0.5, 0, 1), cbar=False, square=True,
            linewidths=1, annot_kws={"fontsize": size}, xticklabels=names, yticklabels=names if i == 0 else False,
        )  # fmt: skip
        axis.set(title=title, xlabel="predicted", ylabel="truth" if i == 0 else "")
        axis.tick_params(axis="x", rotation=0 if level else 40, length=0)
        axis.tick_params(axis="y", rotation=0, length=0)
    return figure


def _cell(count: float, share: float) -> str:
    if count == 0:
        return ""
    number = f"{count:,.0f}" if count >= 100 or float(count).is_integer() else f"{count:.1f}"
    return f"{number}\n{_percent(share)}"


def _percent(share: float) -> str:
    """At most seven letters, for a small cell."""
    if share == 1:
        return "100 %"
    if share > 0.999:
        return ">99.9 %"
    if share >= 0.01:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.2g} %" if share >= 0.0001 else "<0.01 %"


@styled
def score_points(
    points: Mapping[str, Mapping[str, NDArray[Any]]], ends: Mapping[str, Mapping[str, Estimate]]
) -> Figure:
    """Every seed as a point, mean and interval beside. points: score -> model -> (S,); ends: the same -> Estimate."""
    names = list(points)
    figure, axes = canvas(0.75 * len(names) + 1.0)
    axis = axes[0, 0]
    for row, name in enumerate(names):
        for offset, model in ((-0.17, "winner"), (0.17, "baseline")):
            color, y, estimate = MODEL_COLORS[model], row + offset, ends[name][model]
            axis.plot(
                points[name][model], np.full(len(points[name][model]), y + 0.1), "o", color=color, ms=4, alpha=0.6
            )
            mean = float(np.mean(points[name][model]))
            low, high = (mean if end is None else end for end in (estimate.low, estimate.high))
            axis.plot([low, high], [y, y], color=color, lw=2.4, solid_capstyle="butt")
            axis.plot(mean, y, "D", color=color, ms=6.5, mec="white", label=model if row == 0 else None)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axis.set(title="Test part: mean, 95 % interval, every seed", xlabel="%")
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure
