"""Weights with which each group counts once, however many images it holds. Throughout, groups: (N,) any."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def own_group_sizes(groups: ArrayLike) -> NDArray[np.int64]:
    """Return the size of each image's group, (N,); with 1 / size as weights, each group counts once."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return sizes[group]


def unit_weights(labels: NDArray[Any], groups: NDArray[Any]) -> NDArray[np.float64]:
    """Return (N,): 1 / the size of the image's group within its class, so that a group counts once in each class."""
    group = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return np.asarray(1 / own_group_sizes(group * (int(labels.max()) + 1) + labels))
