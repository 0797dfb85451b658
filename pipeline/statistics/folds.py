"""Intervals of a cross-validated score: the recipe on new data of this kind, where another person builds the model.

Every unit is predicted once per repeat, by a model trained on the other folds; a repeat trains under other seeds. All
scores are of the pooled predictions. Throughout, of: the pooled score of R repeats, and the same without each unit;
seeds: variance of their mean between seeds; strata: (U,) class of each unit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Scored,
    Variance,
    combined,
    interval_of,
    seed_variance,
    share_estimate,
    unit_variance,
)


def repeat_variance(of: Scored, unit_folds: NDArray[Any], strata: NDArray[Any] | None = None) -> Variance:
    """Return the variance of the mean over repeats between seeds, beyond that of the units; 0 for one repeat.

    unit_folds: (U,) fold in which the unit is tested. What a fold adds to the pooled score is the sum of what its units
    add, to first order value - left_out.
    """
    n_units, n_repeats = of.left_out.shape
    if n_repeats == 1:
        return Variance(0.0, np.inf)
    added = of.values - of.left_out + of.values / n_units  # (U, R)
    names, fold = np.unique(unit_folds, return_inverse=True)
    by_fold = np.stack([np.bincount(fold, column) for column in added.T], axis=1)  # (folds, R)
    spread = float(by_fold.var(axis=1, ddof=1).sum()) / n_repeats
    cells = fold if strata is None else fold + names.size * np.unique(strata, return_inverse=True)[1]
    interaction = of.left_out - of.left_out.mean(axis=1, keepdims=True)
    shared = unit_variance(interaction, cells).value / (n_repeats * (n_repeats - 1))
    return Variance(max(spread - shared, 0.0), names.size * (n_repeats - 1))


def training_variance(of_fold: Scored, n_folds: int, strata: NDArray[Any] | None = None) -> Variance:
    """Return the variance between seeds of a score that is trained once per fold, beyond that of the units.

    One training shows no spread, so it is read from a fold that has S seeds: of_fold, strata of its units. The pooled
    score is about the mean over folds, whose trainings are independent. Degrees of freedom are those of the spread
    before the part of the units is subtracted (Satterthwaite 1946). 0 for a single seed.
    """
    beyond = seed_variance(of_fold, strata)
    if not beyond.value:
        return Variance(0.0, np.inf)
    n_seeds = of_fold.values.size
    kept = beyond.value * n_seeds / float(of_fold.values.var(ddof=1))
    return Variance(beyond.value * n_seeds / n_folds, beyond.df * kept**2)


def fold_estimate(
    of: Scored, seeds: Variance, n_folds: int, *, strata: NDArray[Any] | None = None, n: float | None = None
) -> Estimate:
    """Return the mean over repeats of a score in [0, 1] with its 95 % interval. n: see `share_estimate`, U if None."""
    units = unit_variance(of.left_out.mean(axis=1), strata)
    return share_estimate(of.mean(), _with_models(units, seeds, n_folds), len(of.left_out) if n is None else n)


def fold_difference(
    first: Scored,
    second: Scored,
    seeds: tuple[Variance, Variance],
    n_folds: int,
    strata: NDArray[Any] | None = None,
) -> Estimate:
    """Return the first mean minus the second with its 95 % interval, both tested in the same folds."""
    units = unit_variance(first.left_out.mean(axis=1) - second.left_out.mean(axis=1), strata)
    variance = _with_models(units, combined(list(seeds)), n_folds)
    return interval_of(first.mean() - second.mean(), variance, len(first.left_out))


def _with_models(units: Variance, seeds: Variance, n_folds: int) -> Variance:
    """Return the variance for other units to test on, other units to train on, and other seeds.

    Training sets of different folds overlap, so no estimator of the variance between them is unbiased (Bengio and
    Grandvalet 2004). Nadeau and Bengio 2003 set it to n_test / n_train of the variance between test units, 1 / (K - 1).
    """
    training = Variance(units.value / (n_folds - 1), units.df)
    return combined([units, training, seeds])
