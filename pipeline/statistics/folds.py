"""Intervals of a cross-validated score: the recipe on new data of this kind, where another person builds the model.

Every unit is predicted once per repeat, by a model trained on the other folds; a repeat trains under other seeds. All
scores are of the pooled predictions. Throughout, values: (R,) pooled score of each repeat; left_out: (U, R) the same
without unit u; unit_folds: (U,) fold in which the unit is tested; strata: (U,) class of each unit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Array,
    Scored,
    Variance,
    combined,
    interval_of,
    share_estimate,
    unit_variance,
)


def fold_estimate(
    values: Array,
    left_out: Array,
    unit_folds: NDArray[Any],
    *,
    strata: NDArray[Any] | None = None,
    n: float | None = None,
    bounded: bool = True,
) -> Estimate:
    """Return the mean over repeats with its 95 % interval. n, bounded: see `jackknife_estimate`."""
    of = Scored(values, left_out)
    units = unit_variance(left_out.mean(axis=1), strata)
    variance = _with_models(units, repeat_variance(of, unit_folds, strata), unit_folds)
    if bounded:
        return share_estimate(of.mean(), variance, len(left_out) if n is None else n)
    return interval_of(of.mean(), variance, len(left_out))


def fold_difference(
    first: Scored, second: Scored, unit_folds: NDArray[Any], strata: NDArray[Any] | None = None
) -> Estimate:
    """Return the first mean minus the second with its 95 % interval, both tested in the same folds.

    A recipe trained once per fold shows no spread of its seeds; it is given that of the other.
    """
    units = unit_variance(first.left_out.mean(axis=1) - second.left_out.mean(axis=1), strata)
    spreads = [repeat_variance(of, unit_folds, strata) for of in (first, second)]
    repeats = [of.values.size for of in (first, second)]
    for own, other in ((0, 1), (1, 0)):
        if repeats[own] == 1:
            spreads[own] = Variance(spreads[other].value * repeats[other], spreads[other].df)
    return interval_of(
        first.mean() - second.mean(), _with_models(units, combined(spreads), unit_folds), len(first.left_out)
    )


def _with_models(units: Variance, seeds: Variance, unit_folds: NDArray[Any]) -> Variance:
    """Return the variance for other units to test on, other units to train on, and other seeds.

    Training sets of different folds overlap, so no estimator of the variance between them is unbiased (Bengio and
    Grandvalet 2004). Nadeau and Bengio 2003 set it to n_test / n_train of the variance between test units, 1 / (K - 1);
    where the spread of the seeds is larger, that is used.
    """
    training = Variance(units.value / (np.unique(unit_folds).size - 1), units.df)
    return combined([units, max(training, seeds, key=lambda variance: variance.value)])


def repeat_variance(of: Scored, unit_folds: NDArray[Any], strata: NDArray[Any] | None = None) -> Variance:
    """Return the variance of the mean over repeats between seeds, beyond that of the units; 0 for one repeat.

    What a fold adds to the pooled score is the sum of what its units add, to first order value - left_out.
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
