"""Bootstrap over groups: resampled confusion matrices and percentile intervals."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pipeline.statistics.groups import group_weights
from pipeline.statistics.intervals import CONFIDENCE


def bootstrap_confusions(
    labels: NDArray[Any],
    predicted: NDArray[Any],
    groups: NDArray[Any],
    n_classes: int,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the confusion matrices of `draws` resamples of whole groups, (draws, S, K, K).

    labels: (N,) int, groups: (N,) any, predicted: (S, N) int of S runs on the same images. Each draw has as many groups
    of each class as the sample, and resamples all runs alike, so that differences between runs stay paired.
    """
    n_runs = len(predicted)
    names, group = np.unique(groups, return_inverse=True)
    cell = np.arange(n_runs)[:, None] * n_classes**2 + labels * n_classes + predicted  # (S, N)
    per_group = sparse.csr_array(
        (np.ones(cell.size, dtype=np.int64), (np.tile(group, n_runs), cell.ravel())),
        shape=(names.size, n_runs * n_classes**2),
    )
    out = np.concatenate([(per_group.T @ weights).T for weights in group_weights(labels, groups, draws, rng)])
    return out.reshape(draws, n_runs, n_classes, n_classes)


def percentile_interval(draws: ArrayLike) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap draws."""
    low, high = np.quantile(np.asarray(draws, dtype=float), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
