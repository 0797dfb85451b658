"""Scores by cross-validation: the recipe on new data, each group predicted once by models that saw none of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.folds import fold_difference, fold_estimate, repeat_variance, training_variance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored, Variance, left_out_scores, unit_classes
from pipeline.statistics.scores import confusion_matrix
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
Scores = Callable[[Array], dict[str, Array]]  # confusion matrices (..., K, K) -> (...) of each score


class Decisions(NamedTuple):
    """Classes that S runs give to N images; a group counts once per class."""

    predicted: Array  # (S, N) int
    labels: Array  # (N,) int
    groups: Array  # (N,)
    n_classes: int

    def scored(self, scores: Scores) -> dict[str, Array]:
        """Return every score, (S,) each."""
        weights = unit_weights(self.labels, self.groups)
        return scores(confusion_matrix(self.labels, self.predicted, self.n_classes, weights))

    def by_fold(self, scores: Scores, folds: Array) -> dict[str, Array]:
        """Return every score of each fold, in which a group counts once per class, (S, folds) each. folds: (N,)."""
        names, fold = np.unique(folds, return_inverse=True)
        pieces = np.unique(self.groups, return_inverse=True)[1] * names.size + fold
        weights, confusions = unit_weights(self.labels, pieces), []
        for number in range(names.size):
            rows = fold == number
            of_fold = self.labels[rows], self.predicted[:, rows], self.n_classes, weights[rows]
            confusions.append(confusion_matrix(*of_fold))
        return scores(np.stack(confusions, axis=1))

    def left_out(self, scores: Scores) -> dict[str, Array]:
        """Return every score without each unit, (U, S) each."""
        return left_out_scores(self.labels, self.predicted, self.groups, self.n_classes, scores)

    @property
    def strata(self) -> Array:
        """Return the class of each unit, (U,)."""
        return unit_classes(self.labels, self.groups)


class OutOfFold(NamedTuple):
    """One score of one model by cross-validation."""

    pooled: Array  # (R,) of all groups, by repeat
    by_fold: Array  # (R, folds)
    left_out: Array  # (U, R): pooled, without group u
    seeds: Variance  # of the mean of `pooled`, between seeds
    strata: Array  # (U,): class of each unit
    n: int  # units that the score averages

    @property
    def n_folds(self) -> int:
        return int(self.by_fold.shape[1])

    @property
    def estimate(self) -> Estimate:
        """Return the mean over repeats with its interval: other training data, other groups, other seeds."""
        of = Scored(self.pooled, self.left_out)
        return fold_estimate(of, self.seeds, self.n_folds, strata=self.strata, n=self.n)

    def minus(self, other: "OutOfFold") -> Estimate:
        """Return the difference to another model on the same folds, with its interval."""
        first, second = (Scored(of.pooled, of.left_out) for of in (self, other))
        return fold_difference(first, second, (self.seeds, other.seeds), self.n_folds, self.strata)


def score_out_of_fold(
    held_out: Decisions, folds: Array, sealed: Decisions, scores: Scores, of_class: Mapping[str, int] | None = None
) -> dict[str, OutOfFold]:
    """Score decisions by fold and pooled.

    held_out: of R repeats on all images; folds: (N,), which holds each image out; sealed: of the fold with one training
    per seed of the evaluation. of_class: the class whose groups a score averages; other scores average all.
    """
    pooled, left_out, strata = held_out.scored(scores), held_out.left_out(scores), held_out.strata
    by_fold = held_out.by_fold(scores, folds)
    of_sealed, without = sealed.scored(scores), sealed.left_out(scores)
    unit_folds, n_folds = folds[np.unique(held_out.groups, return_index=True)[1]], np.unique(folds).size
    results = {}
    for name, values in pooled.items():
        seeds = repeat_variance(Scored(values, left_out[name]), unit_folds, strata)
        if values.size == 1:
            seeds = training_variance(Scored(of_sealed[name], without[name]), n_folds, sealed.strata)
        side = (of_class or {}).get(name)
        n = np.unique(held_out.groups if side is None else held_out.groups[held_out.labels == side]).size
        results[name] = OutOfFold(values, by_fold[name], left_out[name], seeds, strata, n)
    return results
