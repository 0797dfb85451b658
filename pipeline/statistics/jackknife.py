"""Intervals of a score that hold for other test units and other seeds: leave one unit out, and the spread of the seeds.

Images of one patient, or copies of one picture, are not independent: the unit that is left out is the group. A score
of a recipe is the mean over S retrainings, all tested on the same U units. Throughout, values: (S,) score of each seed
on all units; left_out: (U, S) the same without unit u; strata: (U,) class of each unit, whose numbers are fixed by the
split. Sources: Quenouille 1956; Miller 1974; two-way layout: Searle, Casella and McCulloch 1992.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipeline.statistics.intervals import CONFIDENCE, Estimate, clopper_pearson, group_means, sure_bound
from pipeline.statistics.units import unit_weights

Array = NDArray[np.float64]
BLOCK = 1_000  # units whose confusion matrices are in memory together: 80 MB for ten classes and ten seeds
NONE = 1e-20  # a smaller variance is rounding
TAILS = 10.0  # least degrees of freedom by kurtosis, which a sample with one or two errors overstates


class Variance(NamedTuple):
    """Variance of an estimate, and the degrees of freedom with which it was estimated."""

    value: float
    df: float

    @property
    def half_width(self) -> float:
        """Return the half width of the 95 % t interval."""
        return float(special.stdtrit(min(self.df, 1e9), (1 + CONFIDENCE) / 2) * np.sqrt(self.value))


class Scored(NamedTuple):
    """A score of one recipe: values (S,), left_out (U, S)."""

    values: Array
    left_out: Array

    def mean(self) -> float:
        return float(self.values.mean())


def combined(parts: list[Variance]) -> Variance:
    """Return the sum of independent variances. Source: Satterthwaite 1946."""
    total = sum(part.value for part in parts)
    spread = sum(part.value**2 / part.df for part in parts)
    return Variance(total, total**2 / spread if spread else np.inf)


def unit_variance(left_out: Array, strata: NDArray[Any] | None = None, *, heavy_tails: bool = False) -> Variance:
    """Return the jackknife variance between units. left_out: (U,) or, for the part of each seed alone, (U, S).

    heavy_tails: a few units decide, so that the variance is known less well than from normal ones: by kurtosis k it has
    2 n / (k - 1) degrees of freedom. Source: Cramér 1946, 27.4. At least TAILS.
    """
    columns = left_out.reshape(len(left_out), -1)
    parts = []
    for members in _strata(len(columns), strata):
        of_stratum = columns[members]
        n = len(members)
        squares = (of_stratum - of_stratum.sum(axis=0) / n) ** 2
        total, df = float(squares.sum()), float(max(n - 1, 1))
        if heavy_tails and total > NONE:
            kurtosis = squares.size * float((squares**2).sum()) / total**2
            df = min(df, max(TAILS, 2 * n / (kurtosis - 1))) if kurtosis > 1 else df
        parts.append(Variance((n - 1) / n * total, df))
    return combined(parts)


def _strata(n_units: int, strata: NDArray[Any] | None) -> list[NDArray[np.int64]]:
    """Return the units of each stratum. One unit has no spread: such strata join the smallest other (Cochran 1977)."""
    if strata is None:
        return [np.arange(n_units)]
    members = sorted((np.flatnonzero(strata == stratum) for stratum in np.unique(strata)), key=len)
    while len(members) > 1 and len(members[0]) == 1:
        members[:2] = [np.concatenate(members[:2])]
    return members


def seed_variance(of: Scored, strata: NDArray[Any] | None = None) -> Variance:
    """Return the variance of the mean over seeds that its units do not already hold; 0 for a single seed.

    s^2 / S counts how differently the seeds rank the units, which the variance between units has too: the part that
    both share is removed.
    """
    n_seeds = of.values.size
    if n_seeds == 1:
        return Variance(0.0, np.inf)
    interaction = of.left_out - of.left_out.mean(axis=1, keepdims=True)
    shared = unit_variance(interaction, strata).value / (n_seeds * (n_seeds - 1))
    return Variance(max(float(of.values.var(ddof=1)) / n_seeds - shared, 0.0), n_seeds - 1)


def share_estimate(value: float, variance: Variance, n: float) -> Estimate:
    """Return a score in [0, 1] with its interval, symmetric on the logit scale.

    n: units that the score averages, of which some number without an error gives a one-sided bound. With an error the
    interval reaches at least as far.
    """
    if not n:
        return Estimate(None, None, None)
    bound = sure_bound(n)
    if value in (0.0, 1.0):
        return Estimate(1.0, bound, None) if value else Estimate(0.0, None, 1 - bound)
    if variance.value < NONE:
        return Estimate(value, *clopper_pearson(value * n, n))
    low, high = _logit_ends(value, variance)
    return Estimate(value, min(low, bound), max(high, 1 - bound))


def _logit_ends(value: float, variance: Variance) -> tuple[float, float]:
    """Return the interval of a score in [0, 1] that is symmetric on the logit scale."""
    if not 0 < value < 1:
        return value, value
    half = variance.half_width / (value * (1 - value))
    middle = special.logit(value)
    return float(special.expit(middle - half)), float(special.expit(middle + half))


def jackknife_estimate(
    values: Array,
    left_out: Array,
    *,
    strata: NDArray[Any] | None = None,
    n: float | None = None,
    bounded: bool = True,
    heavy_tails: bool = False,
) -> Estimate:
    """Return the mean over seeds with its 95 % interval. n: see `share_estimate`, U if None.

    bounded: the score lies in [0, 1]; else the interval is symmetric around the score itself. heavy_tails: see
    `unit_variance`.
    """
    of = Scored(values, left_out)
    variance = score_variance(of, strata, heavy_tails=heavy_tails)
    if bounded:
        return share_estimate(of.mean(), variance, len(left_out) if n is None else n)
    return interval_of(of.mean(), variance, len(left_out))


def jackknife_difference(first: Scored, second: Scored, strata: NDArray[Any] | None = None) -> Estimate:
    """Return the first mean minus the second with its 95 % interval; the units are paired, the seeds are not."""
    units = unit_variance(first.left_out.mean(axis=1) - second.left_out.mean(axis=1), strata)
    variance = combined([units, seed_variance(first, strata), seed_variance(second, strata)])
    return interval_of(first.mean() - second.mean(), variance, len(first.left_out))


def area_difference(first: Scored, second: Scored, strata: NDArray[Any] | None = None) -> Estimate:
    """Return the first mean minus the second, of areas in [0, 1] that few hard units decide, with its 95 % interval.

    Near 1 such areas are skewed, so the interval combines the distances of each area to the ends of its own interval,
    given the covariance of the units, and reaches at least as far as `jackknife_difference`. Source: Zou and Donner
    2008, eq. 15.
    """
    plain = jackknife_difference(first, second, strata)
    assert plain.value is not None
    assert plain.low is not None
    assert plain.high is not None
    variances = [score_variance(of, strata) for of in (first, second)]
    below, above = zip(
        *(_distances(of.mean(), v) for of, v in zip((first, second), variances, strict=True)), strict=True
    )
    means = [of.left_out.mean(axis=1) for of in (first, second)]
    shared = unit_variance(means[0] + means[1], strata).value - unit_variance(means[0] - means[1], strata).value
    scale = float(np.sqrt(variances[0].value * variances[1].value))
    correlation = min(max(shared / 4 / scale, -1.0), 1.0) if scale > NONE else 0.0

    def distance(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0)))

    low = plain.value - distance(below[0], above[1])
    high = plain.value + distance(above[0], below[1])
    return Estimate(plain.value, min(low, plain.low), max(high, plain.high))


def _distances(value: float, variance: Variance) -> tuple[float, float]:
    low, high = _logit_ends(value, variance)
    return value - low, high - value


def interval_of(value: float, variance: Variance, n_units: int) -> Estimate:
    """Return the t interval around a difference of scores.

    If recipes agree on all units, they differ on at most a share of 1 - .05^(1/n), which bounds the difference.
    """
    half = 1 - sure_bound(n_units) if variance.value < NONE else variance.half_width
    return Estimate(value, value - half, value + half)


def score_rate(right: NDArray[Any], groups: NDArray[Any]) -> Scored:
    """Return the share of units that are right, each by the share of its images. right: (S, N) bool; groups: (N,)."""
    values = group_means(right, groups)
    _, unit, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shares = np.stack([np.bincount(unit, row) / sizes for row in right.astype(float)], axis=1)  # (U, S)
    return Scored(values, values - (shares - values) / max(sizes.size - 1, 1))


def score_variance(of: Scored, strata: NDArray[Any] | None = None, *, heavy_tails: bool = False) -> Variance:
    """Return the variance of the mean over seeds, for other units and other seeds. heavy_tails: see `unit_variance`."""
    units = unit_variance(of.left_out.mean(axis=1), strata, heavy_tails=heavy_tails)
    return combined([units, seed_variance(of, strata)])


def unit_classes(labels: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return the class of each unit, (U,) in sorted order; the lowest of several."""
    names, unit = np.unique(groups, return_inverse=True)
    classes = np.full(names.size, labels.max(), dtype=np.int64)
    np.minimum.at(classes, unit, labels)
    return classes


def left_out_scores(
    labels: NDArray[Any],
    predicted: NDArray[Any],
    groups: NDArray[Any],
    n_classes: int,
    scores: Callable[[Array], dict[str, Array]],
) -> dict[str, Array]:
    """Return scores(confusion) without unit u, (U, S) or (U, S, K). See `left_out_confusions`."""
    blocks = [scores(block) for block in left_out_confusions(labels, predicted, groups, n_classes)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def left_out_confusions(
    labels: NDArray[Any], predicted: NDArray[Any], groups: NDArray[Any], n_classes: int
) -> Iterator[Array]:
    """Yield the confusion matrices without unit u, in blocks (at most BLOCK units, S, K, K), units in sorted order.

    labels, groups: (N,); predicted: (S, N). A unit counts once in each class that it has. The numbers of units per
    class are fixed, so the rest of a class is weighted up to the whole class.
    """
    n_runs, n_cells = len(predicted), len(predicted) * n_classes**2
    names, unit = np.unique(groups, return_inverse=True)
    weights = unit_weights(labels, groups)
    cell = (np.arange(n_runs)[:, None] * n_classes + labels) * n_classes + predicted  # (S, N)
    shape = (n_runs, n_classes, n_classes)
    whole = np.bincount(cell.ravel(), np.tile(weights, n_runs), n_cells).reshape(shape)
    n_units = whole[0].sum(axis=1)  # (K,)
    for start in range(0, names.size, BLOCK):
        inside = np.flatnonzero((unit >= start) & (unit < start + BLOCK))
        n = min(BLOCK, names.size - start)
        place = (unit[inside] - start) * n_cells + cell[:, inside]
        own = np.bincount(place.ravel(), np.tile(weights[inside], n_runs), n * n_cells).reshape(n, *shape)
        rest = n_units - own[:, 0].sum(axis=-1)  # (n, K)
        scale = np.divide(n_units, rest, out=np.ones_like(rest), where=rest > 0.5)
        yield np.maximum(whole - own, 0) * scale[:, None, :, None]
