"""Tables of effects, learning rates, rungs and ranks."""

import numpy as np

from pipeline.report.formatting import cell, percent
from pipeline.report.pages import Table
from pipeline.report.sections.answers.analysis import Analysis, Ranks, Steps
from pipeline.report.sections.answers.texts import factor_cell, optimum_cell, rung_text, verdict
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import MIN_CURVE

EFFECTS_NOTE = (
    "Robust regression (Huber) of log10 error on family, log10 lr and its square, log2 batch size, their product "
    "and what else varies; bootstrap over draws. Points of score at the median error of the draws. Cannot be "
    "determined: the interval holds both a higher and a lower error, and factors that matter (×1.45 for lr, ×1.2 "
    "for the batch size, ×1.25 else). At the longer training the effect is direct plus what acts through the "
    "error of the shorter one, by which the draws were chosen."
)
RANKS_NOTE = (
    "1: the shorter training ranks as the longer one does; 0: as chance would. Two seeds of one rung are the "
    "ceiling: no rung can agree better than a training agrees with itself. The trials that train longer are the "
    "best of the shorter training and lie close together, which lowers τ. Jackknife over configurations."
)


def effects_table(analysis: Analysis) -> Table | None:
    """Return each effect at the first rung, and where enough draws were trained longer also there."""
    rung, later = analysis.later
    rows = []
    for key, effect in analysis.effects.items():
        points = effect.points(10 ** _median_log(analysis))
        shown = "–" if points is None else _points(points)
        row = [effect.name, effect.per, factor_cell(effect), shown, cell(effect.more) if effect.more else "–"]
        after = [factor_cell(later[key].effect), verdict(later[key])] if key in later else ["–", "–"]
        rows.append(row + (after if later else []))
    if not rows or analysis.model is None:
        return None
    head = ["parameter", "change", "factor on the error", "points of score", "further draws"]
    head += [f"factor at {rung_text(analysis, rung)}", "with the length"] if later else []
    n = analysis.model.rows.size
    then = f", and {next(iter(later.values())).effect.n} of them at {rung_text(analysis, rung)}" if later else ""
    dropped = (
        f" Not estimated, for want of draws: {', '.join(analysis.model.dropped)}." if analysis.model.dropped else ""
    )
    return Table(
        f"Effects [95 %], n = {n} designed draws at {rung_text(analysis, analysis.rungs[0])}{then}",
        head,
        rows,
        labels=2,
        note=f"{EFFECTS_NOTE}{dropped}",
    )


def _median_log(analysis: Analysis) -> float:
    assert analysis.model
    logs = analysis.logs(analysis.rungs[0])[analysis.designed][analysis.model.rows]
    return float(np.median(logs))


def _points(of: Estimate) -> str:
    value, low, high = (100 * (end or 0.0) for end in (of.value, of.low, of.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def rates_table(analysis: Analysis) -> Table | None:
    """Return where the error is lowest over the learning rate, and how far that is from the end of the space."""
    rows = []
    for of in analysis.curves:
        low, high = (
            (round(float(end), 6) for end in (of.curve.points[0], of.curve.points[-1])) if of.curve else (0.0, 0.0)
        )
        place = of.curve.lowest.value if of.curve else None
        mark = " *" if of.shared else ""
        lowest = optimum_cell(of.curve.lowest) + mark if of.curve else "cannot be determined"
        edge = "–" if place is None else f"{min(place - low, high - place):.2f}"
        rows.append(
            [
                of.family,
                of.optimizer or "–",
                of.n + of.n_failed,
                percent(of.n_failed / (of.n + of.n_failed)),
                lowest,
                edge,
            ]
        )
    return Table(
        f"Learning rate of lowest error [95 %] at {rung_text(analysis, analysis.rungs[0])}, designed draws, "
        f"n = {sum(of.n + of.n_failed for of in analysis.curves)}",
        ["family", "optimizer", "n", "failed or diverged", "lowest error at lr", "decades to the edge of the space"],
        rows,
        labels=2,
        note="Lowest place of the fitted parabola within the space; at 0 decades the best rate may lie outside. "
        f"*: fewer than {MIN_CURVE} draws, the shape is that of all families and optimizers.",
    ) if rows else None  # fmt: skip


def steps_table(analysis: Analysis, every: list[Steps]) -> Table | None:
    rows = [
        [
            rung_text(analysis, of.first),
            rung_text(analysis, of.second),
            f"{of.times:.3g}",
            of.n,
            factor_cell(of.effect) if of.effect else "too few draws",
        ]
        for of in every
    ]
    noise = "not known: no configuration has two seeds"
    if analysis.noise is not None:
        noise = f"×{10**analysis.noise.variance**0.5:.2f}"
    n = max((of.n for of in every), default=0)
    return Table(
        f"Error after longer training over that before [95 %], n = {n} designed draws or fewer",
        ["from", "to", "times the steps", "n", "factor on the error"],
        rows,
        labels=2,
        note="Geometric mean of the ratios of draws trained at both rungs, t interval. Those that train longer were "
        f"chosen by the shorter training; luck in it is removed by the noise between seeds (SD: {noise}).",
    ) if rows else None  # fmt: skip


def ranks_table(analysis: Analysis, every: list[Ranks]) -> Table | None:
    """Return how rungs and seeds agree on the ranks."""
    rows = []
    for of in every:
        longer = rung_text(analysis, of.second) if of.second != of.first else "the same, second seed"
        where = "inside families" if of.inside else "between families"
        counts = [of.agreement.n, of.agreement.n_pairs]
        rows.append(
            [
                rung_text(analysis, of.first),
                longer,
                where,
                *counts,
                rank_cell(of.agreement.tau),
                rank_cell(of.agreement.rho),
            ]
        )
    return Table(
        f"Agreement of ranks [95 %], n = {max(of.agreement.n for of in every)} configurations or fewer",
        ["from", "to", "pairs", "n", "number of pairs", "Kendall’s τ", "Spearman’s ρ"],
        rows,
        labels=3,
        note=RANKS_NOTE,
    ) if rows else None  # fmt: skip


def rank_cell(of: Estimate) -> str:
    """Return `+0.52 [+0.20, +0.75]`."""
    if of.low is None or of.high is None:
        return f"{of.value:+.2f} (no interval)".replace("-", "−")
    return f"{of.value:+.2f} [{of.low:+.2f}, {of.high:+.2f}]".replace("-", "−")
