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
    beaten = [_beaten(positive, score, weights) for score in scores]
    shares = [np.average(row[positive], weights=weights[positive]) for row in beaten]
    return np.asarray(np.round(shares, 12))  # 1 is exactly 1


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
    left_out = np.empty((names.size, len(scores)))
    for run, score in enumerate(scores):
        beaten = _beaten(
            positive, score, weights
        )  # (N,) of a positive: negatives below; of a negative: positives above
        total = float((weights * beaten)[positive].sum()) * n_neg.sum()
        others = np.where(positive, n_neg.sum(), n_pos.sum())
        own = np.bincount(group, weights * beaten * others, names.size)  # pairs of the group
        for g in both:  # pairs within the group were taken off twice
            inside = np.flatnonzero(group == g)
            own[g] -= areas_under_roc(positive[inside], score[None, inside], group[inside])[0]
        left_out[:, run] = np.divide(total - own, rest, out=np.full(names.size, np.nan), where=rest > 0)
    values = areas_under_roc(positive, scores, groups)
    return Scored(values, np.where(np.isnan(left_out), values, left_out))


def _beaten(positive: NDArray[Any], score: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return, of a positive, the share of negatives that score lower, of a negative that of positives above, (N,)."""
    _, step = np.unique(score, return_inverse=True)
    up, right = (np.bincount(step, weights=weights * side) for side in (positive, ~positive))
    below = (np.cumsum(right) - right / 2) / right.sum()
    above = (np.cumsum(up[::-1])[::-1] - up / 2) / up.sum()
    return np.asarray(np.where(positive, below[step], above[step]))


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
