"""Paired tests of two models: sign-flip permutation over groups, exact McNemar, and Holm's correction."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pipeline.statistics.intervals import Estimate

LEVEL = 0.05
SIGN_FLIPS = 20_000  # draws: a p of 0.05 then has a standard error of 0.0015


def discordant(right_first: NDArray[Any], right_second: NDArray[Any], groups: NDArray[Any]) -> tuple[int, int]:
    """Count the groups in which the first, and those in which the second of two runs is right on more images.

    right_first, right_second: (N,) bool. With one image per group these are McNemar's b and c.
    """
    _, group = np.unique(groups, return_inverse=True)
    lead = np.bincount(group, weights=right_first.astype(float) - right_second)
    return int((lead > 0).sum()), int((lead < 0).sum())


def mcnemar_exact(b: int, c: int) -> float:
    """Return the two-sided p of b against c discordant pairs under even odds; 1 without discordant pairs."""
    return min(1.0, 2 * float(stats.binom.cdf(min(b, c), b + c, 0.5)))


def unit_differences(first: NDArray[Any], second: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Return (G,): the correctness of the first model minus that of the second, mean over seeds, mean over each group.

    first, second: (S, N) and (T, N) bool, is the run right on the image; groups: (N,) any.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(group, weights=first.mean(axis=0) - second.mean(axis=0)) / sizes)


class SignFlip(NamedTuple):
    """A mean difference between two models with its 95 % interval; p < 0.05 if and only if the interval excludes 0."""

    difference: Estimate
    p: float  # two-sided
    n_differing: int  # units on which the models differ


def sign_flip(differences: NDArray[np.float64], draws: int, rng: np.random.Generator) -> SignFlip:
    """Test by random flips of the units' signs whether the mean over units is 0; invert the test for the interval.

    differences: (G,) of independent units, -1 to 1. Under equal models a unit's difference has either sign with even
    odds. Each end of the interval is the value farthest from the mean that the same test does not reject.
    Source: Fisher 1935; Pesarin and Salmaso 2010.
    """
    values, counts = np.unique(differences, return_counts=True)
    kept = rng.binomial(counts, 0.5, (draws, len(counts)))  # of each value, the units whose sign stays
    signs = 2 * kept - counts  # (draws, values), sums of signs
    flipped, flips = signs @ values, signs.sum(axis=1)
    total, n = float(counts @ values), int(counts.sum())

    def p_value(mean: float) -> float:
        """Return p of the hypothesis that the mean over units is `mean`."""
        as_far = np.abs(flipped - mean * flips) >= abs(total - mean * n) - 1e-9
        return float((1 + as_far.sum()) / (1 + draws))

    def end(outside: float) -> float:
        """Return the value farthest from the mean towards `outside` that is not rejected."""
        inside = mean
        middle = 0.0 if (mean > 0) != (outside > 0) else (inside + outside) / 2  # at 0 interval and p must agree
        for _ in range(30):
            inside, outside = (middle, outside) if p_value(middle) >= LEVEL else (inside, middle)
            middle = (inside + outside) / 2
        return inside

    mean = total / n
    low, high = max(end(mean - 2), -1.0), min(end(mean + 2), 1.0)  # few units reject no value, also no impossible one
    return SignFlip(Estimate(mean, low, high), p_value(0), int(counts[values != 0].sum()))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values adjusted for their number, in the given order. Source: Holm 1979."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))))
    return adjusted
