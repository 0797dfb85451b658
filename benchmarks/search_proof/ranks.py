"""How short trainings rank configurations, compared with full trainings under other seeds.

Intervals: jackknife over configurations. A bootstrap repeats them, and copies tie with themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_proof.table import FULL, Kind, TruthTable
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import unit_variance
from pipeline.statistics.robust_regression import Array
from pipeline.statistics.rung_agreement import agreement

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Kendall's tau of one kind of training with the full training under other seeds, mean over seeds."""

    kind: str
    share: float
    inside: Estimate  # of families
    between: Estimate
    of_second_seed: Estimate  # tau inside families over that of one full training


@dataclass(frozen=True)
class Difference:
    """Tau of one kind of training minus that of another of equally many steps."""

    first: str
    second: str
    share: float
    inside: Estimate
    between: Estimate


def rankings(table: TruthTable) -> list[Ranking]:
    """Return a ranking for each kind and share, the full training under one seed last."""
    kinds: list[tuple[Kind, float]] = [("whole", share) for share in table.shares]
    kinds += [*(("prefix", share) for share in table.shares), ("images", table.shares[0]), ("whole", FULL)]
    second = table.scores("whole", FULL)
    out = []
    for kind, share in kinds:
        scores = table.scores(kind, share)
        inside, between = (_jackknife(table, _tau_of(table, scores, inside=each)) for each in (True, False))
        ratio = _jackknife(table, _ratio_of(table, scores, second))
        out.append(Ranking(kind, share, inside, between, ratio))
    return out


def differences(table: TruthTable) -> list[Difference]:
    """Return prefix minus whole at each share, and fewer images minus fewer steps at the lowest."""
    pairs: list[tuple[Kind, float]] = [*(("prefix", share) for share in table.shares), ("images", table.shares[0])]
    out = []
    for kind, share in pairs:
        first, second = table.scores(kind, share), table.scores("whole", share)
        both = [_jackknife(table, _gap_of(table, first, second, inside=each)) for each in (True, False)]
        out.append(Difference(kind, "whole", share, *both))
    return out


def _tau_of(table: TruthTable, scores: Array, *, inside: bool) -> Callable[[Rows], float]:
    """Return the function from rows to the mean tau over seeds; NaN where too few can be compared."""

    def mean(rows: Rows) -> float:
        families: NDArray[Any] = table.families[rows]
        taus = []
        for seed in range(table.n_seeds):
            first, truth = np.nan_to_num(scores[rows, seed]), table.truth[rows, seed]
            of = agreement(first, truth, families, inside=inside)
            taus.append(np.nan if of is None or of.tau.value is None else of.tau.value)
        return float(np.mean(taus))

    return mean


def _ratio_of(table: TruthTable, first: Array, second: Array) -> Callable[[Rows], float]:
    above, below = (_tau_of(table, scores, inside=True) for scores in (first, second))
    return lambda rows: above(rows) / below(rows)


def _gap_of(table: TruthTable, first: Array, second: Array, *, inside: bool) -> Callable[[Rows], float]:
    ours, theirs = (_tau_of(table, scores, inside=inside) for scores in (first, second))
    return lambda rows: ours(rows) - theirs(rows)


def _jackknife(table: TruthTable, statistic: Callable[[Rows], float]) -> Estimate:
    every = np.arange(table.n)
    value = statistic(every)
    left_out = np.array([statistic(np.delete(every, i)) for i in every])
    if not np.isfinite([value, *left_out]).all():
        return Estimate(None, None, None)
    half = unit_variance(left_out).half_width
    return Estimate(value, value - half, value + half)
