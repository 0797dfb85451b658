"""The area under the ROC curve: how well a score separates two kinds of images over all thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from pipeline.statistics.groups import group_weights

Task = tuple[NDArray[Any], NDArray[Any]]  # positive: (N,) bool, score: (N,) float


def area_under_roc(positive: NDArray[Any], score: NDArray[Any]) -> float:
    """Return the chance that a positive scores above a negative; ties count half. (N,) bool, (N,) float."""
    n1 = int(positive.sum())
    n0 = int((~positive).sum())
    ranks = stats.rankdata(score)
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


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
        counts = weights.astype(np.float32)  # exact below 2**24
        for i, (ups, rights) in enumerate(stairs):
            up = ups @ counts  # (steps, block)
            right = rights @ counts
            passed = np.cumsum(right, axis=0, dtype=np.float64) - right / 2
            with np.errstate(invalid="ignore"):
                areas[:, i] = (up * passed).sum(axis=0) / (up.sum(axis=0, dtype=np.float64) * right.sum(axis=0))
        blocks.append(areas)
    return np.concatenate(blocks)


def _stairs(positive: NDArray[Any], score: NDArray[Any], group: NDArray[Any], n_groups: int) -> tuple[Any, Any]:
    """Count positives and negatives per step of the curve and group, from the lowest score up, each (steps, groups).

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
    shape = (int(step[-1]) + 1, n_groups)
    member = group[order]

    def counts(mask: NDArray[Any]) -> Any:
        return sparse.csr_array((np.ones(int(mask.sum()), np.float32), (step[mask], member[mask])), shape=shape)

    return counts(kind), counts(~kind)
