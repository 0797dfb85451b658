"""The ROC curve of a score: the area under it over all thresholds, and the threshold of a screening decision on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pipeline.statistics.bootstrap import group_weights
from pipeline.statistics.units import own_group_sizes, unit_weights

Task = tuple[NDArray[Any], NDArray[Any]]  # positive: (N,) bool, score: (N,) float
ROUNDING = 1e-9  # 57 of 60 reach a sensitivity of 0.95, however the sums were rounded


def area_under_roc(positive: NDArray[Any], score: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return the chance that a positive group scores above a negative one; ties count half.

    positive: (N,) bool; score: (N,) float; groups: (N,) any, each of which counts once on its side.
    """
    weights = unit_weights(positive.astype(np.int64), groups)
    _, step = np.unique(score, return_inverse=True)
    up, right = (np.bincount(step, weights=weights * side) for side in (positive, ~positive))
    passed = np.cumsum(right) - right / 2
    return float(np.round((up * passed).sum() / (up.sum() * right.sum()), 12))  # 1 is exactly 1


def bootstrap_areas(
    tasks: Sequence[Task], labels: NDArray[Any], groups: NDArray[Any], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the areas of all tasks under the same resamples of whole groups, (draws, tasks). See `group_weights`.

    NaN where a draw holds only one kind, which takes a group that holds both.
    """
    names, group = np.unique(groups, return_inverse=True)
    stairs = [_stairs(positive, score, group, names.size) for positive, score in tasks]
    blocks = []
    for weights in group_weights(labels, groups, draws, rng):
        areas = np.empty((weights.shape[1], len(tasks)))
        counts = weights.astype(np.float64)
        for i, (ups, rights) in enumerate(stairs):
            up = ups @ counts  # (steps, block)
            right = rights @ counts
            passed = np.cumsum(right, axis=0, dtype=np.float64) - right / 2
            with np.errstate(invalid="ignore"):
                areas[:, i] = (up * passed).sum(axis=0) / (up.sum(axis=0, dtype=np.float64) * right.sum(axis=0))
        blocks.append(areas)
    return np.concatenate(blocks)


def _stairs(positive: NDArray[Any], score: NDArray[Any], group: NDArray[Any], n_groups: int) -> tuple[Any, Any]:
    """Weigh positives and negatives per step of the curve and group, from the lowest score up, each (steps, groups).

    Neighbouring scores of one kind make one step, which keeps the steps few where the score is good.
    """
    order = np.argsort(score, kind="stable")
    kind = positive[order]
    tie = np.append(0, np.cumsum(np.diff(score[order]) != 0))
    n_positive = np.bincount(tie, weights=kind)
    n = np.bincount(tie)
    shade = np.where(n_positive == n, 1, np.where(n_positive == 0, 0, 2))  # 2: positives and negatives tie
    starts = np.append(True, (shade[1:] != shade[:-1]) | (shade[1:] == 2))
    step = (np.cumsum(starts) - 1)[tie]
    member = group[order]

    weights = unit_weights(kind.astype(np.int64), member)

    def counts(mask: NDArray[Any]) -> Any:
        return sparse.csr_array((weights[mask], (step[mask], member[mask])), shape=(int(step[-1]) + 1, n_groups))

    return counts(kind), counts(~kind)


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
