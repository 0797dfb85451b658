"""Linear regression that single outliers do not move, refitted on every draw of a bootstrap at once.

Throughout, x: (n, p) and y: (n,), one row per configuration; weights: (B, n), how often each row is in a draw.
Sources: Huber 1981, chapter 7; bootstrap of pairs: Efron and Tibshirani 1993, section 9.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.intervals import CONFIDENCE, Estimate

Array = NDArray[np.float64]
TUNING = 1.345  # 95 % of the efficiency of least squares under normal errors
NORMAL = 1.4826  # SD of a normal distribution over its median absolute deviation
ITERATIONS = 8  # of a draw, from least squares: coefficients then change by less than 1 % of their SD
DRAWS = 1_000
SINGULAR = 1e-8  # smallest over largest eigenvalue, columns of unit length: the draw lacks a level


@dataclass(frozen=True)
class Fit:
    """A regression on all rows and on every draw."""

    coefficients: Array  # (p,)
    draws: Array  # (B, p); NaN where a draw lacks a column's variation

    def of(self, contrast: Array) -> Estimate:
        """Return contrast @ coefficients with its 95 % percentile interval. contrast: (p,)."""
        return percentile_interval(float(contrast @ self.coefficients), self.draws @ contrast)


def percentile_interval(value: float, draws: Array) -> Estimate:
    """Return a value with the 95 % interval between the quantiles of its draws, (B,); NaN: no draw."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws[np.isfinite(draws)], [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def bootstrap_weights(n: int, rng: np.random.Generator, draws: int = DRAWS) -> Array:
    """Return draws of n rows out of n with replacement, (B, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), draws).astype(float)


def fit(x: Array, y: Array, weights: Array) -> Fit:
    """Fit all rows, and each draw with the scale of all rows.

    Raises ValueError if the columns of x are linearly dependent.
    """
    unit = np.sqrt((x**2).mean(axis=0))
    if not unit.all() or not _regular(x / unit, np.ones((1, len(y))))[0]:
        raise ValueError("the columns of x must be linearly independent")
    scaled = x / unit
    whole, scale = _fit_all(scaled, y)
    regular = _regular(scaled, weights)
    draws = np.full((len(weights), whole.size), np.nan)
    draws[regular] = _reweighted(scaled, y, weights[regular], scale, ITERATIONS)
    return Fit(whole / unit, draws / unit)


def _regular(x: Array, weights: Array) -> NDArray[np.bool_]:
    values = np.linalg.eigvalsh(_gram(x, weights))
    return np.asarray(values[:, 0] > SINGULAR * values[:, -1])


def _gram(x: Array, weights: Array) -> Array:
    """Return X'WX of each draw, (B, p, p)."""
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return (weights @ products).reshape(len(weights), x.shape[1], x.shape[1])


def _fit_all(x: Array, y: Array) -> tuple[Array, float]:
    """Return coefficients and the scale of the residuals, which are estimated in turn."""
    n, p = x.shape
    ones, scale = np.ones((1, n)), np.inf
    for _ in range(30):
        coefficients = _reweighted(x, y, ones, scale, ITERATIONS)[0]
        residuals = np.sort(np.abs(y - x @ coefficients))
        scale = max(NORMAL * float(np.median(residuals[min(p, n - 1) :])), 1e-9)  # p of them are fitted to 0
    return coefficients, scale


def _reweighted(x: Array, y: Array, weights: Array, scale: float, iterations: int) -> Array:
    """Return Huber's coefficients of each draw by iteratively reweighted least squares, (B, p)."""
    robust = np.ones_like(weights)
    for _ in range(iterations):
        both = weights * robust
        coefficients = np.linalg.solve(_gram(x, both), ((both * y) @ x)[..., None])[..., 0]
        distance = np.abs(y - coefficients @ x.T) / scale
        robust = np.minimum(1.0, TUNING / np.maximum(distance, 1e-12))
    return np.asarray(coefficients)


@dataclass(frozen=True)
class Curve:
    """A quadratic fit with its 95 % band, pointwise, and where it is lowest within the points."""

    points: Array
    values: Array
    low: Array
    high: Array
    lowest: Estimate  # place among the points
    n: int


MIN_CURVE = 8  # rows of a quadratic with one covariate


def quadratic_curve(
    x: Array, y: Array, points: Array, rng: np.random.Generator, covariate: Array | None = None
) -> Curve | None:
    """Fit y over x by a parabola; None below MIN_CURVE rows, or if x has fewer than four values.

    covariate: (n,), adjusted for linearly; the curve is drawn at its median.
    """
    if x.size < MIN_CURVE or np.unique(x).size < 4:
        return None
    centre = float(np.median(x))
    columns = [np.ones_like(x), x - centre, (x - centre) ** 2]
    if covariate is not None and np.unique(covariate).size > 1:
        columns.append(covariate - np.median(covariate))
    fitted = fit(np.stack(columns, axis=1), y, bootstrap_weights(x.size, rng))
    at = np.stack([np.ones_like(points), points - centre, (points - centre) ** 2], axis=1)
    return curve_of(fitted, np.pad(at, ((0, 0), (0, len(columns) - 3))), points, x.size)


def curve_of(fitted: Fit, at: Array, points: Array, n: int) -> Curve:
    """Return the values of a fit with their band. at: (K, p), the columns of x at each of K points."""
    drawn = fitted.draws[np.isfinite(fitted.draws).all(axis=1)] @ at.T
    values = at @ fitted.coefficients
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    lowest = percentile_interval(float(points[values.argmin()]), points[drawn.argmin(axis=1)])
    return Curve(points, values, low, high, lowest, n)
