"""Effects of hyperparameters on the error, from configurations that were designed and not chosen by their scores.

The error is 1 - score, on a logarithm: an effect is a factor on the error. Throughout n counts configurations; logs:
(n,) log10 of the error, NaN where training failed; columns: name -> (n,) values, NaN or None where a configuration
does not have the parameter; ranges: see `design`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.design import Term, design_terms
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import Array, Curve, Fit, curve_of, fit, percentile_interval

ROWS_PER_COLUMN = 3  # of a regression, at least
SPARE = 6  # rows more than columns, at least
RATES = 121  # learning rates that are tried for the best


def log_errors(scores: Array, n_val: int) -> Array:
    """Return log10 of the error, at least half an error of n_val; NaN stays NaN."""
    return np.log10(np.maximum(1 - scores, 0.5 / n_val))


@dataclass(frozen=True)
class ErrorFactor:
    """What a change of one parameter does to the error."""

    name: str
    per: str  # the change: a decade, a doubling, a level against another
    factor: Estimate | None  # on the error; None where its direction cannot be determined
    interval: tuple[float, float] | None  # also where `factor` is missing; None without a fit
    n: int
    more: int  # further configurations for an answer; 0 with one

    def points(self, error: float) -> Estimate | None:
        """Return the change of the score where the error is `error`, as a share; higher is better."""
        if self.factor is None:
            return None
        value, low, high = (
            -error * ((end or 0.0) - 1) for end in (self.factor.value, self.factor.high, self.factor.low)
        )
        return Estimate(value, low, high)


@dataclass(frozen=True)
class Later:
    """An effect after longer training, and its ratio to the effect before."""

    effect: ErrorFactor
    ratio: ErrorFactor  # a factor other than 1: the effect changes with the length


def effect_of(name: str, per: str, log_factor: Estimate, n: int, resolution: float) -> ErrorFactor:
    """Return an effect from log10 of its factor; undetermined where the interval holds 1 and factors that matter.

    Its half width shrinks with the root of n, and has to reach the estimate or the resolution, the larger of both.
    """
    value, low, high = (end or 0.0 for end in (log_factor.value, log_factor.low, log_factor.high))
    target, reach = math.log10(resolution), max(high, -low)
    if low <= 0 <= high and reach > target:
        half = (high - low) / 2
        more = max(1, math.ceil(n * ((half / max(abs(value), target)) ** 2 - 1)))
        return ErrorFactor(name, per, None, (10**low, 10**high), n, more)
    return ErrorFactor(name, per, Estimate(10**value, 10**low, 10**high), (10**low, 10**high), n, 0)


@dataclass(frozen=True)
class Model:
    """The regression of one rung, and the rows and terms that it has."""

    fit: Fit
    terms: list[Term]  # in the order of the columns after intercept and families
    families: list[str]  # the first has no column
    rows: NDArray[np.int64]  # configurations without a failed training
    n_other: int  # columns before the terms
    expected: Array  # (n,) logs by the fit, NaN in other rows
    dropped: list[str]  # parameters that vary but have no column, for want of configurations
    average: Array  # (p,) mean of the columns over the rows

    def log_factor(self, i: int) -> Estimate:
        return self.fit.of(np.eye(self.fit.coefficients.size)[self.n_other + i])


def fit_model(
    logs: Array,
    families: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    weights: Array,
    ranges: Mapping[str, Array] | None = None,
) -> Model | None:
    """Fit the error of designed configurations; None if they are too few. weights: (B, n) of `bootstrap_weights`."""
    rows = np.flatnonzero(np.isfinite(logs))
    dummies = _dummies(families[rows])
    most = min(rows.size // ROWS_PER_COLUMN, rows.size - SPARE)
    kept: list[Term] = []
    dropped: list[str] = []
    x = dummies
    for term in design_terms(families, columns, ranges or {}):
        wider = np.column_stack([x, term.values[rows]])
        if wider.shape[1] > most:
            dropped.append(term.name)
        elif np.linalg.matrix_rank(wider) == wider.shape[1]:
            kept, x = [*kept, term], wider
    if not kept or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    fitted, expected = fit(x, logs[rows], weights[:, rows]), np.full(logs.size, np.nan)
    expected[rows] = x @ fitted.coefficients
    names = [str(family) for family in np.unique(families[rows])]
    missing, average = list(dict.fromkeys(dropped)), x.mean(axis=0)
    return Model(fitted, kept, names, rows, dummies.shape[1], expected, missing, average)


def _dummies(families: NDArray[Any]) -> Array:
    """Return an intercept and a column per family but the first."""
    return np.column_stack([np.ones(families.size), *(families == family for family in np.unique(families)[1:])])


def effects(model: Model) -> list[ErrorFactor]:
    """Return the effect of each parameter that has a column."""
    return [
        effect_of(term.name, term.per, model.log_factor(i), model.rows.size, term.resolution)
        for i, term in enumerate(model.terms)
        if term.per
    ]


def later_effects(model: Model, first: Array, second: Array, families: NDArray[Any], weights: Array) -> list[Later]:
    """Return effects after longer training, of which only the best configurations got some; empty where too few did.

    first, second: (n,) logs after the shorter and the longer training. The best were chosen by `first`, so their errors
    alone would flatten every effect. Given `first`, what is missing is missing at random (Rubin 1976): `second` is
    regressed on it and on the parameters, and an effect is what is direct plus what acts through `first`.
    """
    rows = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    x = np.column_stack([_dummies(families[rows]), first[rows]])
    n_before = x.shape[1]
    direct: list[int] = []
    for i, term in enumerate(model.terms):
        wider = np.column_stack([x, term.values[rows]])
        most = rows.size - SPARE if term.per else rows.size // ROWS_PER_COLUMN
        if wider.shape[1] <= most and np.linalg.matrix_rank(wider) == wider.shape[1]:
            x, direct = wider, [*direct, i]
    if not direct:
        return []
    longer = fit(x, second[rows], weights[:, rows])
    own, later = _with_draws(model.fit), _with_draws(longer)  # (1 + B, ...)
    out = []
    for j, i in enumerate(direct, start=n_before):
        term, before = model.terms[i], own[:, model.n_other + i]
        if not term.per:
            continue
        after = later[:, j] + later[:, n_before - 1] * before
        both = [
            effect_of(term.name, term.per, percentile_interval(float(of[0]), of[1:]), rows.size, term.resolution)
            for of in (after, after - before)
        ]
        out.append(Later(*both))
    return out


def _with_draws(of: Fit) -> Array:
    """Return the coefficients of all rows, then those of the draws, (1 + B, p)."""
    return np.vstack([of.coefficients, of.draws])


def rate_curve(model: Model, family: str, levels: Mapping[str, str], points: Array, middle: float) -> Curve | None:
    """Return log10 error over log10 lr in one family, with a shape that all share; None without a square of lr.

    levels: name -> level of other parameters; numbers are in the middle of their range. middle: of log10 lr.
    """
    if family not in model.families or "lr squared" not in [term.name for term in model.terms]:
        return None
    at = np.zeros((points.size, model.fit.coefficients.size))
    at[:, 0] = 1
    at[:, model.families.index(family)] = 1
    for column, term in enumerate(model.terms, start=model.n_other):
        powers = {"lr": points - middle, "lr squared": (points - middle) ** 2}
        at[:, column] = powers.get(term.name, float(bool(term.level) and levels.get(term.name) == term.level))
    return curve_of(model.fit, at, points, model.rows.size)


@dataclass(frozen=True)
class Retuned:
    """The error at several batch sizes, each at the learning rate that is best for it, of the average family."""

    logs: list[Estimate]  # log10 of the error
    places: list[Estimate]  # of the best log10 lr, from the middle of its range
    last_over_first: Estimate  # log10 of the ratio of their errors


def retuned(model: Model, doublings: Array) -> Retuned | None:
    """Return the error with the learning rate re-tuned; None unless lr may have another optimum for each batch size.

    doublings: (K,) of the batch size, from the middle of its range. Learning rates are those between the lowest and the
    highest drawn one; other parameters are as in the average configuration. Each draw of the bootstrap has optima of
    its own, so the intervals include the error of finding them.
    """
    columns = {term.name: column for column, term in enumerate(model.terms, start=model.n_other) if not term.level}
    names = ("lr", "lr squared", "batch_size", "lr by batch_size")
    if not columns.keys() >= set(names):
        return None
    drawn = model.terms[columns["lr"] - model.n_other].values[model.rows]
    z, v = np.linspace(drawn.min(), drawn.max(), RATES), doublings[:, None]
    at = np.tile(model.average, (doublings.size, RATES, 1))  # (K, RATES, p)
    for name, values in zip(names, (z, z**2, v, v * z), strict=True):
        at[:, :, columns[name]] = values
    fits = _with_draws(model.fit)
    errors = fits[np.isfinite(fits).all(axis=1)] @ at.reshape(-1, at.shape[2]).T
    errors = errors.reshape(len(errors), doublings.size, RATES)
    lowest, places = errors.min(axis=2), z[errors.argmin(axis=2)]  # (1 + B, K)
    ratio = lowest[:, -1] - lowest[:, 0]
    logs, best = ([percentile_interval(float(of[0]), of[1:]) for of in each.T] for each in (lowest, places))
    return Retuned(logs, best, percentile_interval(float(ratio[0]), ratio[1:]))


def needed(families: NDArray[Any], n: int, n_terms: int = 4) -> int:
    """Return how many further configurations a fit of lr, batch size and what belongs to them needs at least."""
    n_columns = np.unique(families).size + n_terms
    return max(1, ROWS_PER_COLUMN * n_columns - n, n_columns + SPARE - n)
