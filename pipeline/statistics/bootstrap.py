"""Groups as sampling units: means over groups, and the bootstrap that resamples them whole.

The images of one patient, or copies of one picture, are not independent. Throughout, groups: (N,) any.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pipeline.statistics.intervals import CONFIDENCE
from pipeline.statistics.units import unit_weights

BLOCK = 250  # draws whose weights are in memory together: tens of MB for 10,000 groups


def group_means(values: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean over groups of each group's mean, (S,). values: (S, N) in [0, 1].

    An interval with n = number of groups then holds for groups of any sizes: among variables in [0, 1] with the same
    mean, none has a larger variance than a 0/1 variable.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # no weights 1 / size: a rate of 1 must come out as exactly 1
    return np.array([(np.bincount(group, weights=row) / sizes).mean() for row in values.astype(float)])


def effective_groups(groups: NDArray[Any]) -> float:
    """Return the number of equal groups that give a mean over images the same variance, if copies add no information.

    Source: Kish 1965.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def group_weights(
    labels: NDArray[Any], groups: NDArray[Any], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield how often each group is drawn in resamples with as many groups of each class as the sample has.

    labels: (N,) int. Blocks: (groups, at most BLOCK draws), groups in sorted order, `draws` columns together. A group
    with several labels counts under its lowest.
    """
    names, group = np.unique(groups, return_inverse=True)
    stratum = np.full(names.size, labels.max() + 1)
    np.minimum.at(stratum, group, labels)
    for start in range(0, draws, BLOCK):
        n = min(BLOCK, draws - start)
        weights = np.empty((names.size, n), dtype=np.int64)
        for label in np.unique(stratum):
            members = np.flatnonzero(stratum == label)
            picks = rng.integers(0, members.size, (n, members.size)) + np.arange(n)[:, None] * members.size
            counts = np.bincount(picks.ravel(), minlength=n * members.size)
            weights[members] = counts.reshape(n, members.size).T
        yield weights


def bootstrap_confusions(
    labels: NDArray[Any],
    predicted: NDArray[Any],
    groups: NDArray[Any],
    n_classes: int,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the confusion matrices, in groups, of `draws` resamples of whole groups, (draws, S, K, K).

    labels: (N,) int, predicted: (S, N) int of S runs on the same images; a group counts once in each class. Each draw
    has as many groups of each class as the sample, and resamples all runs alike: differences between runs stay paired.
    """
    n_runs = len(predicted)
    names, group = np.unique(groups, return_inverse=True)
    cell = np.arange(n_runs)[:, None] * n_classes**2 + labels * n_classes + predicted  # (S, N)
    per_group = sparse.csr_array(
        (np.tile(unit_weights(labels, groups), n_runs), (np.tile(group, n_runs), cell.ravel())),
        shape=(names.size, n_runs * n_classes**2),
    )
    out = np.concatenate([(per_group.T @ weights).T for weights in group_weights(labels, groups, draws, rng)])
    return out.reshape(draws, n_runs, n_classes, n_classes)


def percentile_interval(draws: ArrayLike) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap draws."""
    low, high = np.quantile(np.asarray(draws, dtype=float), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
