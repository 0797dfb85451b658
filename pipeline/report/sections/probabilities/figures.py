"""Reliability of stated probabilities."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.report.drawing import BLUE, canvas, percents, styled


@styled
def reliability(curves: Mapping[str, NDArray[Any]]) -> Figure:
    """Draw accuracy over confidence. curves: title -> (bins, 4) of mean confidence, accuracy and its interval."""
    figure, axes = canvas(3.55, 1, 2)
    least = min(float(rows[:, [0, 2]].min()) for rows in curves.values())
    floor = math.floor(max(0.0, least - 0.02) * 20) / 20  # the corner where the bins of a good model crowd
    for axis, (title, rows) in zip(axes[0], curves.items(), strict=True):
        axis.plot([floor, 1], [floor, 1], color="black", lw=1, ls=":", label="perfectly calibrated")
        axis.errorbar(
            rows[:, 0], rows[:, 1], yerr=np.abs(rows[:, 1] - rows[:, 2:].T), color=BLUE, fmt="o", ms=5, lw=1.4,
            capsize=2.5, clip_on=False, label="bin, 95 % interval",
        )  # fmt: skip
        axis.set(title=title, xlabel="stated probability", ylabel="" if axis is axes[0, 1] else "share that is right")
        axis.set(xlim=(floor, 1), ylim=(floor, 1))
        axis.set_aspect("equal")
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_formatter(percents)
            ticks.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure
