"""Labels in doubt: images whose label a model that never saw them contradicts with confidence.

Source: Northcutt, Jiang and Chuang 2021, Confident Learning (JAIR 70).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelDoubts:
    """What out-of-fold probabilities suggest about the labels, per image (N,)."""

    suggested: NDArray[np.int64]  # most probable other class
    margin: NDArray[np.float64]  # probability of the label minus that of the suggested class, in [-1, 1]
    in_doubt: NDArray[np.bool_]  # the suggested class is confident and more probable than the label
    order: NDArray[np.int64]  # rows, the most doubtful first


def doubt_labels(labels: NDArray[Any], probabilities: NDArray[Any], weights: NDArray[Any]) -> LabelDoubts:
    """Judge labels by out-of-fold probabilities.

    labels: (N,) int; probabilities: (N, K); weights: (N,), what an image counts in its class. A class is confident
    where its probability reaches its mean over the images labelled with it.
    """
    rows = np.arange(labels.size)
    of_label = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1)
    margin = of_label - others[rows, suggested]
    n_classes = probabilities.shape[1]
    sums = np.bincount(labels, weights=weights * of_label, minlength=n_classes)
    n = np.bincount(labels, weights=weights, minlength=n_classes)
    confident = np.divide(sums, n, out=np.ones(n_classes), where=n > 0)
    in_doubt = (margin < 0) & (others[rows, suggested] >= confident[suggested])
    return LabelDoubts(suggested, margin, in_doubt, np.argsort(margin, kind="stable"))
