"""Intervals, paired tests and the screening estimate: how sure one may be of what `metrics` measured.

Throughout, n counts groups (patients, or duplicates kept together), never images, and x = rate * n need not be whole:
a rate is the mean over groups of the share of their images, so that twenty copies of one picture are one observation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special, stats

CONFIDENCE = 0.95
Z = float(special.ndtri((1 + CONFIDENCE) / 2))


def _check(x: float, n: float) -> None:
    if not 0 <= x <= n or n <= 0:
        raise ValueError(f"0 <= x <= n and n > 0 must hold, but got x={x}, n={n}")


def wilson(x: float, n: float) -> tuple[float, float]:
    """95 % interval of x successes in n. Source: Wilson 1927."""
    _check(x, n)
    p = x / n
    middle, spread = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low, high = (middle - spread) / (1 + Z**2 / n), (middle + spread) / (1 + Z**2 / n)
    # at the ends rounding leaves 1e-17 where the formula gives exactly 0 and 1
    return (0.0 if x == 0 else float(low)), (1.0 if x == n else float(high))


def clopper_pearson(x: float, n: float) -> tuple[float, float]:
    """95 % interval of x successes in n, never too short. Source: Clopper and Pearson 1934."""
    _check(x, n)
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if x == 0 else float(special.betaincinv(x, n - x + 1, tail))
    high = 1.0 if x == n else float(special.betaincinv(x + 1, n - x, 1 - tail))
    return low, high


def sure_bound(n: float) -> float:
    """One-sided 95 % lower bound of a rate when all n succeeded: .05^(1/n), about 1 - 3/n (the rule of three)."""
    _check(n, n)
    return float((1 - CONFIDENCE) ** (1 / n))


def negatives_to_claim(n_false_positives: float, n_healthy_screened: float) -> int:
    """Independent negatives, all called negative, that it takes to claim at most so many false positives."""
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-n_false_positives / n_healthy_screened)))


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. Without a value, at most a one-sided bound: the end that is a number."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Operation:
    """A frozen threshold at work on a sample. Rates are means over groups, n counts these groups."""

    sensitivity: float
    specificity: float
    n_diseased: int
    n_healthy: int


@dataclass(frozen=True)
class Screening:
    """What an operation would mean at a known prevalence. Counts are expected persons; rates are in [0, 1]."""

    n_diseased: float
    n_healthy: float
    sensitivity: Estimate
    specificity: Estimate
    false_positives: Estimate  # Clopper-Pearson
    false_positives_wilson: Estimate
    false_negatives: Estimate
    ppv: Estimate
    npv: Estimate


def rate_estimate(rate: float, n: float) -> Estimate:
    """Wilson; at a rate of exactly 0 or 1 the one-sided bound, because a sample proves neither never nor always."""
    if rate == 1:
        return Estimate(1.0, sure_bound(n), None)
    if rate == 0:
        return Estimate(0.0, None, 1 - sure_bound(n))
    return Estimate(rate, *wilson(rate * n, n))


def _missed(rate: float, persons: float, ends: tuple[float, float], n: float) -> Estimate:
    """Expected persons decided wrongly, of `persons`, at a rate of right decisions with the interval `ends`."""
    if rate == 1:
        return Estimate(None, None, persons * (1 - sure_bound(n)))
    if rate == 0:
        return Estimate(None, persons * sure_bound(n), None)
    return Estimate(persons * (1 - rate), persons * (1 - ends[1]), persons * (1 - ends[0]))


def _predictive(hit: tuple[float, float], reject: tuple[float, float], share: float) -> Estimate:
    """PPV from hit = (sensitivity, n1), reject = (specificity, n0), share = prevalence; NPV with the roles exchanged.

    Where the logit is undefined, one bound from the least favourable (or most favourable) ends of both rates.
    Source: Mercaldo, Lau and Zhou 2007.
    """
    (se, n1), (sp, n0) = hit, reject

    def value(se: float, sp: float) -> float:
        return se * share / (se * share + (1 - sp) * (1 - share))

    if (se, sp) in {(0, 1), (1, 0)}:  # everyone got the same answer: the sample knows nothing of this value
        return Estimate(None, None, None)
    if sp == 1:
        return Estimate(None, value(wilson(se * n1, n1)[0], sure_bound(n0)), None)
    if se == 0:
        return Estimate(None, None, value(1 - sure_bound(n1), wilson(sp * n0, n0)[1]))
    spread = Z * np.sqrt((1 - se) / (se * n1) + sp / ((1 - sp) * n0))
    logit = special.logit(value(se, sp))
    return Estimate(value(se, sp), float(special.expit(logit - spread)), float(special.expit(logit + spread)))


def screening(operation: Operation, prevalence_per_100k: float, n_screened: float = 100_000) -> Screening:
    """Expected errors and predictive values if n_screened persons were decided by the operation.

    Raises ValueError unless 0 < prevalence_per_100k < 100,000.
    """
    if not 0 < prevalence_per_100k < 100_000:
        raise ValueError(f"0 < prevalence_per_100k < 100,000 must hold, but got {prevalence_per_100k}")
    share = prevalence_per_100k / 100_000
    diseased, healthy = n_screened * share, n_screened * (1 - share)
    se, sp, n1, n0 = operation.sensitivity, operation.specificity, operation.n_diseased, operation.n_healthy
    return Screening(
        n_diseased=diseased,
        n_healthy=healthy,
        sensitivity=rate_estimate(se, n1),
        specificity=rate_estimate(sp, n0),
        false_positives=_missed(sp, healthy, clopper_pearson(sp * n0, n0), n0),
        false_positives_wilson=_missed(sp, healthy, wilson(sp * n0, n0), n0),
        false_negatives=_missed(se, diseased, wilson(se * n1, n1), n1),
        ppv=_predictive((se, n1), (sp, n0), share),
        npv=_predictive((sp, n0), (se, n1), 1 - share),
    )


def group_means(values: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over groups of the mean over a group's images. values: (S, N) in [0, 1], groups: (N,) any. Returns (S,).

    An interval of n = groups then holds whatever their sizes: no values in [0, 1] scatter more than a coin.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # no weights 1 / size: a rate of 1 must come out as exactly 1
    return np.array([(np.bincount(group, weights=row) / sizes).mean() for row in values.astype(float)])


def effective_groups(groups: NDArray[Any]) -> float:
    """Number of equal groups that tell as much of a mean over images as these do, if copies tell nothing new.

    groups: (N,) any. Source: Kish 1965.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def group_weights(
    labels: NDArray[Any], groups: NDArray[Any], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """How often each group is in each of `draws` resamples that hold as many groups of each class as the sample.

    labels: (N,) int, groups: (N,) any. Yields (groups, at most 250), groups in sorted order: a block of weights stays
    at tens of MB for 10,000 groups. A group with several labels counts under its lowest.
    """
    names, group = np.unique(groups, return_inverse=True)
    stratum = np.full(names.size, labels.max() + 1)
    np.minimum.at(stratum, group, labels)
    for start in range(0, draws, 250):
        n = min(250, draws - start)
        weights = np.empty((names.size, n), dtype=np.int64)
        for label in np.unique(stratum):
            members = np.flatnonzero(stratum == label)
            picks = rng.integers(0, members.size, (n, members.size)) + np.arange(n)[:, None] * members.size
            counts = np.bincount(picks.ravel(), minlength=n * members.size)
            weights[members] = counts.reshape(n, members.size).T
        yield weights


def bootstrap_confusions(
    labels: NDArray[Any],
    predicted: NDArray[Any],
    groups: NDArray[Any],
    n_classes: int,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Confusion matrices of `draws` resamples of whole groups, as many of each class as the sample has.

    labels: (N,) int, groups: (N,) any, predicted: (S, N) int of S runs on the same images, which every draw resamples
    alike, so that differences between runs stay paired. Returns (draws, S, K, K).
    """
    n_runs = len(predicted)
    names, group = np.unique(groups, return_inverse=True)
    cell = np.arange(n_runs)[:, None] * n_classes**2 + labels * n_classes + predicted  # (S, N)
    per_group = sparse.csr_array(
        (np.ones(cell.size, dtype=np.int64), (np.tile(group, n_runs), cell.ravel())),
        shape=(names.size, n_runs * n_classes**2),
    )
    out = np.concatenate([(per_group.T @ weights).T for weights in group_weights(labels, groups, draws, rng)])
    return out.reshape(draws, n_runs, n_classes, n_classes)


def percentile_interval(draws: ArrayLike) -> tuple[float, float]:
    """95 % percentile interval of bootstrap draws."""
    low, high = np.quantile(np.asarray(draws, dtype=float), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def discordant(right_first: NDArray[Any], right_second: NDArray[Any], groups: NDArray[Any]) -> tuple[int, int]:
    """Groups in which the first, respectively the second, of two runs is right on more images.

    right_first, right_second: (N,) bool. With one image per group these are McNemar's b and c.
    """
    _, group = np.unique(groups, return_inverse=True)
    lead = np.bincount(group, weights=right_first.astype(float) - right_second)
    return int((lead > 0).sum()), int((lead < 0).sum())


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided p of b against c discordant pairs under even odds; 1 without discordant pairs."""
    return min(1.0, 2 * float(stats.binom.cdf(min(b, c), b + c, 0.5)))


def mcnemar_pairs(first: NDArray[Any], second: NDArray[Any], groups: NDArray[Any]) -> list[tuple[int, int, float]]:
    """b, c and p for each pair of runs in their order. first, second: (S, N) bool, right; surplus runs are left out."""
    counts = [discordant(one, other, groups) for one, other in zip(first, second, strict=False)]
    return [(b, c, mcnemar_exact(b, c)) for b, c in counts]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p values adjusted for their number, in the given order. Source: Holm 1979."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))))
    return adjusted


def median_p(p_values: ArrayLike) -> float:
    """One p of K dependent ones: K/k times the k-th smallest, k = ceil(K/2); valid under any dependence.

    Source: Rüger 1978; Vovk and Wang 2020.
    """
    p = np.sort(np.asarray(p_values, dtype=float))
    k = (p.size + 1) // 2
    return min(1.0, p.size / k * float(p[k - 1]))
