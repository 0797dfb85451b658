"""Paired tests of two models: McNemar over groups, Holm's correction, Rüger's combination of dependent p values."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


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


def mcnemar_pairs(first: NDArray[Any], second: NDArray[Any], groups: NDArray[Any]) -> list[tuple[int, int, float]]:
    """Return b, c and p of each pair of runs, in order; runs without a partner are left out.

    first, second: (S, N) bool, is the run right on the image.
    """
    counts = [discordant(one, other, groups) for one, other in zip(first, second, strict=False)]
    return [(b, c, mcnemar_exact(b, c)) for b, c in counts]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values adjusted for their number, in the given order. Source: Holm 1979."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))))
    return adjusted


def median_p(p_values: ArrayLike) -> float:
    """Combine K dependent p values: K/k times the k-th smallest, k = ceil(K/2); valid under any dependence.

    Source: Rüger 1978; Vovk and Wang 2020.
    """
    p = np.sort(np.asarray(p_values, dtype=float))
    k = (p.size + 1) // 2
    return min(1.0, p.size / k * float(p[k - 1]))
