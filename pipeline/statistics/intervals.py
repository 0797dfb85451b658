"""Estimates with their intervals, and the exact 95 % interval of a rate.

Throughout, n counts groups (patients, or duplicates kept together), never images, and x = rate * n need not be whole:
a rate is the mean over groups of the share of their images, so that twenty copies of one picture are one observation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. Without a value, at most a one-sided bound: the end that is a number."""

    value: float | None
    low: float | None
    high: float | None


def group_means(values: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean over groups of each group's mean, (S,). values: (S, N) in [0, 1]; groups: (N,) any."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # no weights 1 / size: a rate of 1 must come out as exactly 1
    return np.array([(np.bincount(group, weights=row) / sizes).mean() for row in values.astype(float)])


def clopper_pearson(x: float, n: float) -> tuple[float, float]:
    """Return the exact 95 % interval of x successes in n, never too short. Source: Clopper and Pearson 1934."""
    _check(x, n)
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if x == 0 else float(special.betaincinv(x, n - x + 1, tail))
    return low, 1.0 if x == n else float(special.betaincinv(x + 1, n - x, 1 - tail))


def sure_bound(n: float) -> float:
    """Return the one-sided 95 % lower bound of a rate if all n succeed: .05^(1/n), about 1 - 3/n (rule of three)."""
    _check(n, n)
    return float((1 - CONFIDENCE) ** (1 / n))


def _check(x: float, n: float) -> None:
    if not 0 <= x <= n or n <= 0:
        raise ValueError(f"0 <= x <= n and n > 0 must hold, but got x={x}, n={n}")
