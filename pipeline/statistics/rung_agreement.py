"""Two trainings of the same configurations: the factor between their errors, and whether they rank alike.

Sources: Kendall 1945 (tau-b); Spearman 1904; jackknife over configurations: Miller 1974. A bootstrap repeats
configurations, which tie with themselves: its intervals cover 99 % and more.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import NONE, Variance, combined, unit_variance
from pipeline.statistics.robust_regression import Array

MIN_PAIRS = 4  # configurations that a statement on ranks or factors takes
WEAK = 0.4  # Kendall's tau, below which a short training is a poor judge


class Noise(NamedTuple):
    """Variance of log10 error between seeds, and its degrees of freedom."""

    variance: float
    df: int


def seed_noise(logs: Array, configurations: NDArray[Any]) -> Noise | None:
    """Return the variance pooled over configurations; None where each has one seed. logs: (N,) without NaN."""
    _, cell = np.unique(configurations, return_inverse=True)
    sizes = np.bincount(cell)
    spare = int((sizes - 1).sum())
    if not spare:
        return None
    deviations = logs - (np.bincount(cell, logs) / sizes)[cell]
    return Noise(float((deviations**2).sum()) / spare, spare)


def paired_factor(
    first: Array, second: Array, expected: Array | None = None, noise: Noise | None = None
) -> Estimate | None:
    """Return the geometric mean of second error / first error with its 95 % t interval; None below MIN_PAIRS pairs.

    first, second: (n,) log10 of the errors, NaN where one is missing. Where second was trained for the best of first,
    part of their low errors is luck, which does not return: with `expected`, (n,) the errors that the parameters alone
    explain, each first error moves towards it by the share of the residual variance that is noise between seeds
    (Efron and Morris 1975).
    """
    paired = np.isfinite(first) & np.isfinite(second)
    n = int(paired.sum())
    if n < MIN_PAIRS:
        return None
    steps, unsure = second[paired] - first[paired], []
    if expected is not None and noise is not None:
        residuals = first - expected
        luck = min(1.0, noise.variance / max(float(residuals[np.isfinite(residuals)].var(ddof=1)), 1e-12))
        steps = steps + luck * residuals[paired]
        unsure = [Variance(float(luck * residuals[paired].mean()) ** 2 * 2 / noise.df, noise.df)]
    half = combined([Variance(float(steps.var(ddof=1)) / n, n - 1), *unsure]).half_width
    return Estimate(*(float(10**end) for end in (steps.mean(), steps.mean() - half, steps.mean() + half)))


@dataclass(frozen=True)
class Agreement:
    """How alike two trainings rank configurations."""

    tau: Estimate  # Kendall's, -1 to 1
    rho: Estimate  # Spearman's: correlation of the shares of the compared configurations that each beats
    n: int  # configurations
    n_pairs: int


def agreement(first: Array, second: Array, families: NDArray[Any], *, inside: bool) -> Agreement | None:
    """Compare the ranks in pairs of one family (inside), or of different families; None where too few can be compared.

    first, second: (n,) scores or errors, NaN where one is missing; one family: constant `families` and inside.
    """
    rows = np.isfinite(first) & np.isfinite(second)
    same = families[rows, None] == families[rows]
    compared = (same if inside else ~same) & ~np.eye(int(rows.sum()), dtype=bool)
    n = int(compared.any(axis=1).sum())
    if n < MIN_PAIRS:
        return None
    signs = [np.sign(values[rows, None] - values[rows]) * compared for values in (first, second)]
    weights = np.vstack([np.ones(len(same)), 1 - np.eye(len(same))[compared.any(axis=1)]])
    taus, rhos = _tau(signs[0], signs[1], weights), _rho(signs, compared, weights)
    if not (np.isfinite(taus[0]) and np.isfinite(rhos[0])):
        return None
    return Agreement(_interval(taus), _interval(rhos), n, int(compared.sum()) // 2)


def _pair_sums(pairs: Array, weights: Array) -> Array:
    """Return the sum over pairs of each row of weights, (B,)."""
    return np.asarray(((weights @ pairs) * weights).sum(axis=1))


def _tau(first: Array, second: Array, weights: Array) -> Array:
    """Return tau-b of each row of weights, NaN where all are tied. first, second: (n, n) signs, 0 if not compared."""
    untied = _pair_sums(first**2, weights) * _pair_sums(second**2, weights)
    sums = _pair_sums(first * second, weights)
    return np.asarray(np.divide(sums, np.sqrt(untied), out=np.full_like(sums, np.nan), where=untied > 0))


def _rho(signs: list[Array], compared: NDArray[np.bool_], weights: Array) -> Array:
    """Return the correlation of the places of each row of weights, NaN where a place does not vary."""
    n_others = weights @ compared
    counted = weights * (n_others > 0)
    total = counted.sum(axis=1, keepdims=True)
    places = []
    for sign in signs:
        place = np.divide(weights @ sign.T, n_others, out=np.zeros_like(weights), where=n_others > 0)
        places.append(place - (counted * place).sum(axis=1, keepdims=True) / np.maximum(total, 1))
    a, b = places
    varied = (counted * a**2).sum(axis=1) * (counted * b**2).sum(axis=1)
    products = (counted * a * b).sum(axis=1)
    return np.asarray(np.divide(products, np.sqrt(varied), out=np.full_like(products, np.nan), where=varied > 1e-12))


def _interval(values: Array) -> Estimate:
    """Return the first value with a t interval; none where it never varies. The others: without one configuration."""
    rest = values[1:][np.isfinite(values[1:])]
    variance = unit_variance(rest)
    if variance.value < NONE:
        return Estimate(float(values[0]), None, None)
    low, high = values[0] - variance.half_width, values[0] + variance.half_width
    return Estimate(float(values[0]), float(max(low, -1.0)), float(min(high, 1.0)))
