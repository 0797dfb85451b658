"""Scores of predictions, and the threshold of a screening decision: what training and evaluation measure with.

Intervals, tests and the screening estimate stand in `estimates`, so that sharpening a report never makes a finished
search stale.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORES = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
LABELS = {name: name.replace("_f1", " F1").replace("_", " ") for name in SCORES}


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """labels, predicted: (..., N) int in [0, n_classes). Returns (..., K, K) counts, rows are the truth.

    Leading axes broadcast, so (N,) labels may meet (S, N) predictions of S runs.
    Raises ValueError on a class outside the range: a silent wrap would count it as another one.
    """
    truth, guess = np.broadcast_arrays(np.asarray(labels), np.asarray(predicted))
    for name, values in (("labels", truth), ("predicted", guess)):
        if values.size and (values.min() < 0 or values.max() >= n_classes):
            raise ValueError(f"0 <= {name} < {n_classes} must hold, but got {values.min()}..{values.max()}")
    lead = truth.shape[:-1]
    runs = np.arange(np.prod(lead, dtype=int)).reshape(*lead, 1)
    cells = (runs * n_classes + truth.astype(np.int64)) * n_classes + guess
    counts = np.bincount(cells.ravel(), minlength=runs.size * n_classes**2)
    return counts.reshape(*lead, n_classes, n_classes)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """part / whole, and 0 where whole is 0 (scikit-learn's zero_division=0)."""
    out = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def class_scores(confusion: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """confusion: (..., K, K), rows are the truth. Returns precision, recall, f1 and support, each (..., K)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    support, named = confusion.sum(axis=-1).astype(float), confusion.sum(axis=-2).astype(float)
    return {
        "precision": _ratio(hits, named),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + named),
        "support": support,
    }


def scores(confusion: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """confusion: (..., K, K), rows are the truth. Returns each of SCORES with shape (...); 0-d for one matrix.

    A class that neither occurs nor is predicted counts as 0 in the macro means, as in scikit-learn given all labels.
    """
    classes = class_scores(confusion)
    return {
        "accuracy": _ratio(np.trace(confusion, axis1=-2, axis2=-1).astype(float), classes["support"].sum(axis=-1)),
        "macro_precision": classes["precision"].mean(axis=-1),
        "macro_recall": classes["recall"].mean(axis=-1),
        "macro_f1": classes["f1"].mean(axis=-1),
    }


def own_group_sizes(groups: ArrayLike) -> NDArray[np.int64]:
    """Images in the group of each image; with 1 / size as weights, every group counts once. groups: (N,) any."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return sizes[group]


def choose_threshold(positive: ArrayLike, score: ArrayLike, groups: ArrayLike, min_sensitivity: float) -> float:
    """Threshold of the rule "positive where score >= t": sensitivity >= min_sensitivity, then the largest specificity.

    positive: (N,) bool; score: (N,) float; groups: (N,) any, each of which counts once within its class. Many t share
    the largest specificity. Of those the most sensitive is taken (it costs nothing), and of the gap between two
    neighbouring scores that is left, the middle, so that new images have the same room on both sides.
    Raises ValueError if a class is missing, a score is not finite, or min_sensitivity is outside (0, 1].
    """
    is_positive, values = np.asarray(positive, dtype=bool), np.asarray(score, dtype=float)
    if not 0 < min_sensitivity <= 1:
        raise ValueError(f"0 < min_sensitivity <= 1 must hold, but got {min_sensitivity}")
    if not np.isfinite(values).all():
        raise ValueError("every score must be finite")
    falling = np.argsort(-values[is_positive], kind="stable")
    diseased, healthy = values[is_positive][falling], values[~is_positive]
    if not diseased.size or not healthy.size:
        raise ValueError(f"both classes must occur, but got {diseased.size} positive and {healthy.size} negative")
    found = np.cumsum(1 / own_group_sizes(np.asarray(groups)[is_positive])[falling])
    # 57 of 60 are 0.95, whatever rounding made of the sums
    enough = int(np.argmax(found / found[-1] >= min_sensitivity - 1e-9))
    below = healthy[healthy < diseased[enough]]
    low = below.max() if below.size else -np.inf
    high = diseased[diseased > low].min()
    middle = low + (high - low) / 2 if below.size else high
    return float(middle if middle > low else high)  # neighbouring floats have no middle
