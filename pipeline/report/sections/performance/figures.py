"""Confusion matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.report.drawing import WIDTH_IN, canvas, short, styled


@styled
def confusion(matrices: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> Figure:
    """Draw matrices of counts, (K, K) by title; rows are the truth. Colour and percentage: share of the row."""
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
        # the square root keeps a row share of 1 % visible
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
    """Return at most seven letters, for a small cell."""
    if share == 1:
        return "100 %"
    if share > 0.999:
        return ">99.9 %"
    if share >= 0.01:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.2g} %" if share >= 0.0001 else "<0.01 %"
