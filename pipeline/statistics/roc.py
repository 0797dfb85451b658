"""The ROC curve of a score: the area under it over all thresholds, and the threshold of a screening decision on it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.statistics.jackknife import Scored
from pipeline.statistics.units import own_group_sizes, unit_weights

ROUNDING = 1e-9  # 57 of 60 reach a sensitivity of 0.95, however the sums were rounded


def area_under_roc(positive: NDArray[Any], score: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return the chance that a positive group scores above a negative one; ties count half.

    positive: (N,) bool; score: (N,) float; groups: (N,) any, each of which counts once on its side.
    """
    return float(areas_under_roc(positive, score[None], groups)[0])


def areas_under_roc(positive: NDArray[Any], scores: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Return `area_under_roc` of each run, (S,). scores: (S, N)."""
    weights = unit_weights(positive.astype(np.int64), groups)
    return _areas(_beaten(positive, scores, weights), positive, weights)


def _areas(beaten: NDArray[np.float64], positive: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return the area of each run, (S,). beaten: see `_beaten`."""
    shares = beaten[:, positive] @ weights[positive] / weights[positive].sum()
    return np.asarray(np.round(shares, 12))  # 1 is exactly 1


def mean_areas(labels: NDArray[Any], probabilities: NDArray[Any], groups: NDArray[Any]) -> Scored:
    """Return the mean area of each class that occurs against the rest. labels: (N,); probabilities: (S, N, K)."""
    areas = [score_areas(labels == c, probabilities[:, :, c], groups) for c in np.unique(labels)]
    values, left_out = (np.mean(column, axis=0) for column in zip(*areas, strict=True))
    return Scored(values, left_out)


def score_areas(positive: NDArray[Any], scores: NDArray[Any], groups: NDArray[Any]) -> Scored:
    """Return the areas with all groups and without each, as the jackknife needs them. scores: (S, N).

    A group that alone holds one side cannot be left out, and changes nothing. With one image per group the jackknife
    variance within sides is that of the structural components: DeLong, DeLong and Clarke-Pearson 1988; with groups:
    Obuchowski 1997.
    """
    weights = unit_weights(positive.astype(np.int64), groups)
    names, group = np.unique(groups, return_inverse=True)
    n_pos, n_neg = (np.bincount(group, weights * side, names.size).round(9) for side in (positive, ~positive))  # 0 or 1
    rest = (n_pos.sum() - n_pos) * (n_neg.sum() - n_neg)  # (groups,) pairs without the group
    both = np.flatnonzero((n_pos > 0) & (n_neg > 0))
    others = np.where(positive, n_neg.sum(), n_pos.sum())
    beaten = _beaten(positive, scores, weights)
    values, n_runs = _areas(beaten, positive, weights), len(scores)
    total = beaten[:, positive] @ weights[positive] * n_neg.sum()  # (S,)
    cell = (np.arange(n_runs)[:, None] * names.size + group).ravel()
    pairs = np.bincount(cell, (weights * beaten * others).ravel(), n_runs * names.size)
    own = np.asarray(pairs, dtype=np.float64).reshape(n_runs, -1)  # (S, groups)
    for g in both:  # pairs within the group were taken off twice
        inside = np.flatnonzero(group == g)
        own[:, g] -= areas_under_roc(positive[inside], scores[:, inside], group[inside])
    unchanged = np.repeat(values[:, None], names.size, axis=1)
    return Scored(values, np.divide(total[:, None] - own, rest, out=unchanged, where=rest > 0).T)


def _beaten(positive: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return, of a positive, the share of negatives that score lower, of a negative that of positives above, (S, N)."""
    order = np.argsort(scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    step = np.cumsum(np.diff(ranked, axis=1, prepend=np.nan) != 0, axis=1) - 1  # ties share one
    cell = (step + np.arange(len(scores))[:, None] * positive.size).ravel()
    up, right = (
        np.bincount(cell, (weights * side)[order].ravel(), scores.size).reshape(scores.shape)
        for side in (positive, ~positive)
    )
    below = (np.cumsum(right, axis=1) - right / 2) / right.sum(axis=1, keepdims=True)
    above = (np.cumsum(up[:, ::-1], axis=1)[:, ::-1] - up / 2) / up.sum(axis=1, keepdims=True)
    of_step = [np.take_along_axis(side, step, axis=1) for side in (below, above)]
    beaten = np.empty(scores.shape)
    np.put_along_axis(beaten, order, np.where(positive[order], *of_step), axis=1)
    return beaten


def choose_threshold(positive: ArrayLike, score: ArrayLike, groups: ArrayLike, min_sensitivity: float) -> float:
    """Return the t of the rule "positive where score >= t" with sensitivity >= min_sensitivity and most specificity.

    positive: (N,) bool; score: (N,) float; groups: (N,) any, each of which counts once within its class. Many t share
    the largest specificity. The most sensitive of them costs nothing; it may lie anywhere between two neighbouring
    scores, and the middle of this gap gives new images the same room on both sides.
    Raises ValueError if a class is missing, a score is not finite, or min_sensitivity is outside (0, 1].
    """
    is_positive = np.asarray(positive, dtype=bool)
    values = np.asarray(score, dtype=float)
    if not 0 < min_sensitivity <= 1:
        raise ValueError(f"0 < min_sensitivity <= 1 must hold, but got {min_sensitivity}")
    if not np.isfinite(values).all():
        raise ValueError("every score must be finite")
    falling = np.argsort(-values[is_positive], kind="stable")
    diseased = values[is_positive][falling]
    healthy = values[~is_positive]
    if not diseased.size or not healthy.size:
        raise ValueError(f"both classes must occur, but got {diseased.size} positive and {healthy.size} negative")
    n_detected = np.cumsum(1 / own_group_sizes(np.asarray(groups)[is_positive])[falling])  # groups, at each score
    enough = int(np.argmax(n_detected / n_detected[-1] >= min_sensitivity - ROUNDING))
    below = healthy[healthy < diseased[enough]]
    if not below.size:
        return float(diseased[-1])
    low = below.max()
    high = diseased[diseased > low].min()
    middle = low + (high - low) / 2
    return float(middle if middle > low else high)  # neighbouring floats have no middle
