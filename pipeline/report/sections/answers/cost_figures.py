"""Pictures of the section: errors over batch sizes, over the seconds of training, and over what a network costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipeline.report.drawing import GREY, canvas, styled
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.batches import Batch
from pipeline.report.sections.answers.best import Finalist, pareto
from pipeline.report.sections.answers.cost import best_so_far, winner_number
from pipeline.report.sections.answers.figures import COLORS, MARKERS, error_axis, one_legend
from pipeline.report.sections.answers.texts import rung_text
from pipeline.statistics.effects import Retuned, log_errors

ENQUEUED: dict[str, Any] = {"marker": "D", "s": 60, "facecolors": "none", "edgecolors": "black", "lw": 1.2, "zorder": 5}
REFERENCE: dict[str, Any] = {"marker": "P", "s": 46, "color": GREY, "zorder": 5}
WINNER: dict[str, Any] = {"marker": "*", "s": 150, "color": "black", "zorder": 6}


@styled
def batches(analysis: Analysis, every: Sequence[Batch], fitted: Retuned | None) -> Figure:
    """Draw the error of each draw and the median by batch size; next to it the fit with the learning rate re-tuned."""
    figure, axes = canvas(3.3, 1, 1 if fitted is None else 2, sharey=True)
    raw, of_rows = axes[0, 0], analysis.families[analysis.designed]
    families = sorted(set(analysis.families))
    for place, of in enumerate(every):
        jitter = np.linspace(-0.24, 0.24, of.errors.size)
        for k, family in enumerate(families):
            rows = of_rows[of.rows] == family
            style: dict[str, Any] = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)]}
            raw.scatter(place + jitter[rows], of.errors[rows], s=20, alpha=0.85, label=family, **style)
        top: dict[str, Any] = {"transform": raw.get_xaxis_transform(), "clip_on": False, "color": GREY}
        failed = np.isnan(of.errors)
        raw.scatter(place + jitter[failed], np.ones(int(failed.sum())), marker="x", s=26, **top)
        raw.plot([place - 0.32, place + 0.32], [np.median(of.known)] * 2, color="black", lw=1.8, label="median")
    raw.set_title("as drawn", fontsize=10)
    if fitted is not None:
        values, low, high = (
            10 ** np.array([getattr(of, end) for of in fitted.logs], dtype=float) for end in ("value", "low", "high")
        )
        bars = np.stack([values - low, high - values])
        axes[0, 1].errorbar(range(len(every)), values, bars, color="black", marker="o", ms=5, lw=1.3, capsize=4)
        axes[0, 1].set_title("learning rate re-tuned, fitted", fontsize=10)
    for axis in axes.flat:
        error_axis(axis)
        axis.set_xticks(range(len(every)), [f"{of.size}" for of in every])
        axis.set(xlabel="batch size", xlim=(-0.5, len(every) - 0.5))
    raw.set_ylabel(f"error on val, {rung_text(analysis, analysis.rungs[0])}")
    one_legend(figure)
    return figure


@styled
def anytime(analysis: Analysis, timed: pd.DataFrame) -> Figure:
    """Draw the lowest error so far over the seconds of training, a line per rung; given trials and winner marked."""
    figure, axes = canvas(3.4)
    axis, total, winner = axes[0, 0], float(timed["seconds"].sum()), winner_number(analysis)
    unit, seconds = ("hours", 3600) if total >= 5400 else ("minutes", 60) if total >= 90 else ("seconds", 1)
    every = [best_so_far(analysis, timed, rung) for rung in analysis.rungs]
    for k, (rung, trials) in enumerate(zip(analysis.rungs, every, strict=True)):
        color, end = COLORS[k % len(COLORS)], trials["end"] / seconds
        axis.scatter(end, trials["error"], s=12, color=color, alpha=0.45)
        axis.step(end, trials["lowest"], where="post", color=color, lw=1.6, label=rung_text(analysis, rung))
        if not trials["sampled"].equals(trials["lowest"]):
            axis.step(end, trials["sampled"], where="post", color=color, lw=1.2, ls=":", label="sampled alone")
    reached = pd.concat(every)
    for label, rows, style in (
        ("enqueued", reached["role"] == "enqueued", ENQUEUED),
        ("reference", reached["role"] == "reference", REFERENCE),
        ("winner", reached["number"] == winner, WINNER),
    ):
        if rows.any():
            axis.scatter(reached.loc[rows, "end"] / seconds, reached.loc[rows, "error"], label=label, **style)
    error_axis(axis)
    axis.set(xlabel=f"{unit} of training, added up", ylabel="error on val", xlim=(0, None))
    one_legend(figure, columns=3)
    return figure


@styled
def front(analysis: Analysis, every: Sequence[Finalist], costs: Mapping[str, pd.Series]) -> Figure:
    """Draw the finalists over each cost, the Pareto front as a line. costs: label of the axis -> of each trial."""
    figure, axes = canvas(3.3, 1, len(costs), sharey=True)
    families = sorted(set(analysis.families))
    errors = dict(zip([of.number for of in every], _errors(analysis, every), strict=True))
    for axis, (label, cost) in zip(axes.flat, costs.items(), strict=True):
        for k, family in enumerate(families):
            shown = [of.number for of in every if of.family == family and of.competes and of.number in cost]
            style: dict[str, Any] = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)]}
            axis.scatter(cost[shown], [errors[n] for n in shown], s=30, alpha=0.85, label=family, zorder=3, **style)
        references = [of.number for of in every if not of.competes and of.number in cost]
        if references:
            axis.scatter(cost[references], [errors[n] for n in references], label="reference", **REFERENCE)
        best = [of.number for of in pareto(list(every), cost)]
        axis.step(cost[best], [errors[n] for n in best], where="post", color="black", lw=1.2, label="Pareto front")
        _cost_axis(axis, label)
        error_axis(axis)
    axes[0, 0].set_ylabel(f"error on val, {rung_text(analysis, analysis.top)}")
    one_legend(figure)
    return figure


def _errors(analysis: Analysis, every: Sequence[Finalist]) -> Any:
    return 10 ** log_errors(np.array([of.mean for of in every]), analysis.n_val)


def _cost_axis(axis: Axes, label: str) -> None:
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set(xlabel=label, xlim=(0, None))
