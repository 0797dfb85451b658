"""TODO statistics.groups."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def own_group_sizes(groups: ArrayLike) -> NDArray[np.int64]:
    """Images in the group of each image; with 1 / size as weights, every group counts once. groups: (N,) any."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return sizes[group]


def group_means(values: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over groups of the mean over a group's images. values: (S, N) in [0, 1], groups: (N,) any. Returns (S,).

    An interval of n = groups then holds whatever their sizes: no values in [0, 1] scatter more than a coin.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # no weights 1 / size: a rate of 1 must come out as exactly 1
    return np.array([(np.bincount(group, weights=row) / sizes).mean() for row in values.astype(float)])


def effective_groups(groups: NDArray[Any]) -> float:
    """Number of equal groups that tell as much of a mean over images as these do, if copies tell nothing new.

    groups: (N,) any. Source: Kish 1965.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def group_weights(
    labels: NDArray[Any], groups: NDArray[Any], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """How often each group is in each of `draws` resamples that hold as many groups of each class as the sample.

    labels: (N,) int, groups: (N,) any. Yields (groups, at most 250), groups in sorted order: a block of weights stays
    at tens of MB for 10,000 groups. A group with several labels counts under its lowest.
    """
    names, group = np.unique(groups, return_inverse=True)
    stratum = np.full(names.size, labels.max() + 1)
    np.minimum.at(stratum, group, labels)
    for start in range(0, draws, 250):
        n = min(250, draws - start)
        weights = np.empty((names.size, n), dtype=np.int64)
        for label in np.unique(stratum):
            members = np.flatnonzero(stratum == label)
            picks = rng.integers(0, members.size, (n, members.size)) + np.arange(n)[:, None] * members.size
            counts = np.bincount(picks.ravel(), minlength=n * members.size)
            weights[members] = counts.reshape(n, members.size).T
        yield weights
