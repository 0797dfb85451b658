"""What another threshold would trade, and the PPV over the prevalence."""

from dataclasses import astuple
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.report.analysis.decision import Decision
from pipeline.report.drawing import BLUE, GREY, ORANGE, canvas, percents, styled
from pipeline.statistics.screening import Operation, estimate_screening


@styled
def operating_curve(curves: list[tuple[NDArray[Any], NDArray[Any]]], frozen: Decision, n_screened: int) -> Figure:
    """Draw false positives over sensitivity. curves: (sensitivity, specificity) per seed at every threshold."""
    figure, axes = canvas(3.6)
    axis, n_healthy = axes[0, 0], frozen.estimate.n_healthy
    for sensitivity, specificity in curves:
        axis.plot(sensitivity, n_healthy * (1 - specificity), color=BLUE, lw=1, alpha=0.55)
    marks = {"color": ORANGE, "ms": 7, "mec": "white", "clip_on": False, "zorder": 3}
    for se, sp in zip(frozen.sensitivity, frozen.specificity, strict=True):
        axis.plot(se, n_healthy * (1 - sp), "D", **marks)
    axis.lines[0].set_label("one seed, any threshold (exploration)")
    axis.lines[len(curves)].set_label("at its frozen threshold")
    # linear below one expected person: a curve may touch 0
    errors = np.concatenate([1 - specificity for _, specificity in curves])
    axis.set_yscale("symlog", linthresh=n_healthy * float(errors[errors > 0].min()))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_major_formatter(percents)
    floor = max(0.0, frozen.sensitivity.min() - 0.1)
    axis.set(xlabel="sensitivity", ylabel=f"false positives per {n_screened:,}", xlim=(floor, 1.005))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=9, loc="upper left")
    return figure


@styled
def ppv_over_prevalence(operation: Operation, marked: list[float]) -> Figure:
    """Draw the PPV with its interval, or its lower bound where the sample gives no more. marked: the main one first."""
    figure, axes = canvas(3.6)
    axis, main = axes[0, 0], marked[0]
    prevalences = np.geomspace(min(1.0, *marked), max(20_000.0, *marked), 120)
    ppv = [astuple(estimate_screening(operation, float(prevalence)).ppv) for prevalence in prevalences]
    value, low, high = np.array(ppv, dtype=float).T  # NaN for None
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
