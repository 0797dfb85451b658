"""Exact and approximate 95 % intervals of a rate.

Throughout, n counts groups (patients, or duplicates kept together), never images, and x = rate * n need not be whole:
a rate is the mean over groups of the share of their images, so that twenty copies of one picture are one observation.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

CONFIDENCE = 0.95
Z = float(special.ndtri((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. Without a value, at most a one-sided bound: the end that is a number."""

    value: float | None
    low: float | None
    high: float | None


def wilson(x: float, n: float) -> tuple[float, float]:
    """Return the 95 % score interval of x successes in n. Source: Wilson 1927."""
    _check(x, n)
    p = x / n
    middle = p + Z**2 / (2 * n)
    spread = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    # at the ends rounding leaves 1e-17 where the formula gives exactly 0 and 1
    low = 0.0 if x == 0 else float((middle - spread) / (1 + Z**2 / n))
    return low, 1.0 if x == n else float((middle + spread) / (1 + Z**2 / n))


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


def rate_estimate(rate: float, n: float) -> Estimate:
    """Return Wilson's estimate; at exactly 0 or 1 a one-sided bound, because no sample proves "never" or "always"."""
    if rate == 1:
        return Estimate(1.0, sure_bound(n), None)
    return Estimate(rate, *wilson(rate * n, n)) if rate else Estimate(0.0, None, 1 - sure_bound(n))


def _check(x: float, n: float) -> None:
    if not 0 <= x <= n or n <= 0:
        raise ValueError(f"0 <= x <= n and n > 0 must hold, but got x={x}, n={n}")
