"""What a decision costs: false positives and predictive value."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.report.drawing import BLUE, GREY, ORANGE, canvas, percents, styled
from pipeline.statistics.intervals import Estimate


@styled
def operating_curve(
    curves: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    points: Sequence[tuple[float, float]],
    *,
    n_healthy: float,
    n_screened: int,
) -> Figure:
    """Draw false positives over sensitivity. curves, points: (sensitivity, specificity) per seed."""
    figure, axes = canvas(3.6)
    axis = axes[0, 0]
    for i, (sensitivity, specificity) in enumerate(curves):
        label = "one seed, any threshold (exploration)" if i == 0 else None
        axis.plot(sensitivity, n_healthy * (1 - specificity), color=BLUE, lw=1, alpha=0.55, label=label)
    for i, (se, sp) in enumerate(points):
        label = "at its frozen threshold" if i == 0 else None
        axis.plot(se, n_healthy * (1 - sp), "D", color=ORANGE, ms=7, mec="white", label=label, clip_on=False, zorder=3)
    # linear below one expected person: a curve may touch 0
    smallest = min(
        (n_healthy * float((1 - line[line < 1]).min()) for _, line in curves if (line < 1).any()), default=1.0
    )
    axis.set_yscale("symlog", linthresh=smallest)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_major_formatter(percents)
    floor = max(0.0, min(se for se, _ in points) - 0.1)
    axis.set(xlabel="sensitivity", ylabel=f"false positives per {n_screened:,}", xlim=(floor, 1.005))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=9, loc="upper left")
    return figure


@styled
def ppv_over_prevalence(
    prevalences: NDArray[Any], ppv: Sequence[Estimate], *, marked: Iterable[float], main: float
) -> Figure:
    """Draw the PPV with its interval, or its lower bound where the sample gives no more. prevalences: per 100,000."""
    figure, axes = canvas(3.6)
    axis = axes[0, 0]
    low = np.array([np.nan if e.low is None else e.low for e in ppv])
    value = np.array([np.nan if e.value is None else e.value for e in ppv])
    high = np.array([1.0 if e.high is None else e.high for e in ppv])
    if np.isfinite(value).any():
        axis.plot(prevalences, value, color=BLUE, lw=2.2, label="PPV")
        axis.fill_between(prevalences, low, high, color=BLUE, alpha=0.18, lw=0, label="95 % interval")
    elif np.isfinite(low).any():
        axis.plot(prevalences, low, color=BLUE, lw=2.2, ls="--", label="PPV is at least")
        axis.fill_between(prevalences, low, 1, color=BLUE, alpha=0.12, lw=0)
    named: list[float] = []
    for prevalence in sorted(marked, key=lambda prevalence: (prevalence != main, prevalence)):
        strong = prevalence == main
        axis.axvline(prevalence, color=ORANGE if strong else GREY, lw=1.6 if strong else 1, ls="-" if strong else ":")
        if any(0.85 < prevalence / other < 1.15 for other in named if other != main):
            continue  # its label would overlap another
        named.append(prevalence)
        side = "right" if strong else "left"
        axis.annotate(
            f"{prevalence:g}", (prevalence, 1.0), xycoords=("data", "axes fraction"), textcoords="offset points",
            xytext=(-3 if strong else 3, -3), ha=side, va="top", rotation=90, fontsize=8.5,
            color=ORANGE if strong else "#555555",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(percents)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set(xlabel="prevalence per 100,000 (log)", ylabel="PPV (log)", xlim=(prevalences[0], prevalences[-1]))
    axis.set_ylim(top=1)
    axis.legend(fontsize=9, loc="lower right")
    return figure
