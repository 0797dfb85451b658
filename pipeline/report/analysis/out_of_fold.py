"""Scores by cross-validation: the recipe on new data, each group predicted once by models that saw none of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.cross_validation import FoldPart
from pipeline.statistics.folds import fold_difference, fold_estimate
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored, unit_classes
from pipeline.statistics.measures import confusion_score
from pipeline.statistics.scores import confusion_matrix
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
Score = Callable[[Array], Array]  # confusion matrices (..., K, K) -> (...)


class OutOfFold(NamedTuple):
    """One score of one model by cross-validation."""

    pooled: Array  # (R,) of all groups, by repeat
    by_fold: Array  # (R, folds)
    left_out: Array  # (U, R): pooled, without group u
    unit_folds: Array  # (U,): from 1
    strata: Array  # (U,): class of each unit
    n: int  # units that the score averages

    @property
    def estimate(self) -> Estimate:
        """Return the mean over repeats with its interval: other training data, other groups, other seeds."""
        return fold_estimate(self.pooled, self.left_out, self.unit_folds, strata=self.strata, n=self.n)

    def minus(self, other: "OutOfFold") -> Estimate:
        """Return the difference to another model on the same folds, with its interval."""
        first, second = (Scored(of.pooled, of.left_out) for of in (self, other))
        return fold_difference(first, second, self.unit_folds, self.strata)


def score_out_of_fold(
    held_out: FoldPart,
    predicted: Array,
    labels: Array,
    n_classes: int,
    score: Score,
    *,
    of_class: int | None = None,
) -> OutOfFold:
    """Score decisions by fold and pooled; a group counts once per class.

    predicted: (R, N) int; labels: (N,) int. of_class: the class whose groups the score averages; None: all.
    """
    groups = held_out.part.groups
    numbers = np.unique(held_out.folds)

    def of(rows: Array) -> Array:
        """Return the score of the images `rows`, (R,)."""
        weights = unit_weights(labels[rows], groups[rows])
        return score(confusion_matrix(labels[rows], predicted[:, rows], n_classes, weights))

    by_fold = np.stack([of(held_out.folds == number) for number in numbers], axis=-1)
    everything = confusion_score(labels, predicted, groups, n_classes, score)
    first = np.unique(groups, return_index=True)[1]
    n = np.unique(groups if of_class is None else groups[labels == of_class]).size
    strata = unit_classes(labels, groups)
    return OutOfFold(everything.values, by_fold, everything.left_out, held_out.folds[first], strata, n)
