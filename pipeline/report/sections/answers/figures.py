"""Pictures of the section: errors over the learning rate, over the rungs, and ranks at two rungs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from pipeline.report.drawing import BLUE, GREEN, GREY, ORANGE, PINK, canvas, short, styled
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.best import Finalist, best_of_families
from pipeline.report.sections.answers.texts import rung_text

COLORS = (BLUE, ORANGE, GREEN, PINK, GREY)
MARKERS = ("o", "s", "^", "D", "v")


def one_legend(figure: Figure, columns: int = 5) -> None:
    """Show each label of the panels once, below them."""
    pairs = [pair for axis in figure.axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    marks = {label: mark for mark, label in pairs}
    figure.legend(marks.values(), marks, loc="outside lower center", ncols=columns, fontsize=9)


def error_axis(axis: Axes) -> None:
    """Show errors on a logarithm, in %."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axis.yaxis.set_minor_formatter(NullFormatter())


@styled
def rates(analysis: Analysis) -> Figure:
    """Draw the error over the learning rate, a panel per family: draws, fit and band by optimizer, failed on top."""
    families = list(dict.fromkeys(of.family for of in analysis.curves))
    optimizers = sorted({of.optimizer for of in analysis.curves})
    n_rows = -(-len(families) // 3)
    figure, axes = canvas(2.6 * n_rows + 0.4, n_rows, min(3, len(families)), sharey=True, sharex=True)
    drawn, logs = analysis.trials[analysis.designed], analysis.logs(analysis.rungs[0])[analysis.designed]
    lr, errors = drawn["lr"].to_numpy(dtype=float), 10**logs
    of_family = analysis.families[analysis.designed]
    of_optimizer = drawn["optimizer"].astype(str).to_numpy() if "optimizer" in drawn else np.full(lr.size, "")
    for axis, family in zip(axes.flat, families, strict=False):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(numticks=4))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelsize=8.5)
        error_axis(axis)
        axis.set_title(short(family, 24), fontsize=10)
        for of in (curve for curve in analysis.curves if curve.family == family):
            k = optimizers.index(of.optimizer)
            style: dict[str, Any] = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)]}
            rows = (of_family == family) & (of_optimizer == of.optimizer)
            axis.scatter(lr[rows], errors[rows], s=20, alpha=0.85, label=of.optimizer or "draws", **style)
            failed = rows & np.isnan(logs)
            top = {"transform": axis.get_xaxis_transform(), "clip_on": False}
            axis.scatter(lr[failed], np.ones(int(failed.sum())), marker="x", color=style["color"], s=26, **top)
            if of.curve is not None:
                x = 10**of.curve.points
                axis.plot(x, 10**of.curve.values, color=style["color"], lw=1.5, ls="--" if of.shared else "-")
                axis.fill_between(x, 10**of.curve.low, 10**of.curve.high, color=style["color"], alpha=0.15, lw=0)
    shown = errors[np.isfinite(errors)]
    if shown.size:
        axes.flat[0].set_ylim(shown.min() / 1.5, min(1.0, shown.max() * 1.5))  # a band may be wide
    for axis in axes.flat[len(families) :]:
        axis.remove()
    one_legend(figure)
    for axis in axes[-1]:
        axis.set_xlabel("learning rate", fontsize=9)
    figure.supylabel(f"error on val, {rung_text(analysis, analysis.rungs[0])}", fontsize=9.5)
    return figure


@styled
def lengths(analysis: Analysis) -> Figure:
    """Draw a line per trial through its rungs, coloured by family; dotted: no designed draw."""
    figure, axes = canvas(3.3)
    axis, families = axes[0, 0], sorted(set(analysis.families))
    shares = [analysis.share(rung) for rung in analysis.rungs]
    errors = 10 ** np.stack([analysis.logs(rung) for rung in analysis.rungs], axis=1)  # (trials, rungs)
    designed = analysis.designed
    for row, family, is_designed in zip(errors, analysis.families, designed, strict=True):
        k = families.index(family)
        known = np.isfinite(row)
        style: dict[str, Any] = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)], "ms": 3.5}
        line = "-" if is_designed else ":"
        axis.plot(np.array(shares)[known], row[known], ls=line, lw=0.9, alpha=0.75, label=family, **style)
    axis.set_xscale("log")
    axis.set_xticks(shares, [rung_text(analysis, rung).replace(" of the steps", "") for rung in analysis.rungs])
    axis.xaxis.set_minor_locator(NullLocator())
    error_axis(axis)
    axis.set(xlabel="share of the steps", ylabel="error on val")
    one_legend(figure)
    return figure


@styled
def ranks(analysis: Analysis) -> Figure:
    """Draw the score at each rung over that of the rung before, and of the second seed over the first."""
    pairs = [
        (a, b, analysis.scores(a), analysis.scores(b)) for a, b in zip(analysis.rungs, analysis.rungs[1:], strict=False)
    ]
    again = [(rung, rung, analysis.seed_scores(rung, 0), analysis.seed_scores(rung, 1)) for rung in analysis.rungs]
    pairs += [pair for pair in again if np.isfinite(pair[3]).any()]
    n_rows = -(-len(pairs) // 3)
    figure, axes = canvas(2.5 * n_rows + 0.4, n_rows, min(3, len(pairs)))
    families = sorted(set(analysis.families))
    for axis, (first, second, before, after) in zip(axes.flat, pairs, strict=False):
        for k, family in enumerate(families):
            rows = (analysis.families == family) & np.isfinite(before) & np.isfinite(after)
            color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
            axis.scatter(
                100 * before[rows], 100 * after[rows], s=20, alpha=0.85, color=color, marker=marker, label=family
            )
        names = [rung_text(analysis, rung) for rung in (first, second)]
        names = names if first != second else [f"{names[0]}, {seed} seed" for seed in ("first", "second")]
        axis.set_xlabel(names[0], fontsize=9)
        axis.set_ylabel(names[1], fontsize=9)
    for axis in axes.flat[len(pairs) :]:
        axis.remove()
    one_legend(figure)
    return figure


@styled
def families(analysis: Analysis, every: Sequence[Finalist]) -> Figure:
    """Draw the finalists of each family, the seeds of its best in black."""
    best = best_of_families(list(every))
    figure, axes = canvas(0.5 * len(best) + 1.1)
    axis = axes[0, 0]
    for row, of in enumerate(best):
        others = [100 * other.mean for other in every if other.family == of.family and other.competes]
        axis.scatter(others, np.full(len(others), row), s=26, color=BLUE, alpha=0.6, label="mean of a trial")
        axis.scatter(
            [100 * score for score in of.scores], np.full(len(of.scores), row + 0.2),
            s=30, color="black", marker="|", label="seeds of the best",
        )  # fmt: skip
    axis.set_yticks(range(len(best)), [short(of.family, 22) for of in best])
    axis.set(ylim=(len(best) - 0.5, -0.5), xlabel=f"score on val, %, {rung_text(analysis, analysis.top)}")
    marks = {label: mark for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    axis.legend(marks.values(), marks, fontsize=9, loc="best")
    return figure
