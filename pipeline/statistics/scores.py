"""Confusion matrices, the scores read from them, and the log loss: what training and evaluation measure with.

Throughout, confusion: (..., K, K), rows are the truth.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORES = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
LABELS = {name: name.replace("_f1", " F1").replace("_", " ") for name in SCORES}


def confusion_matrix(
    labels: ArrayLike, predicted: ArrayLike, n_classes: int, weights: ArrayLike | None = None
) -> NDArray[Any]:
    """Count images by true and predicted class, (..., K, K). labels, predicted: (..., N) int in [0, n_classes).

    Leading axes broadcast, so (N,) labels may meet (S, N) predictions of S runs. weights: (N,), what an image counts.
    Raises ValueError on a class outside the range, which would otherwise wrap and count as another class.
    """
    truth, guess = np.broadcast_arrays(np.asarray(labels), np.asarray(predicted))
    for name, values in (("labels", truth), ("predicted", guess)):
        if values.size and (values.min() < 0 or values.max() >= n_classes):
            raise ValueError(f"0 <= {name} < {n_classes} must hold, but got {values.min()}..{values.max()}")
    lead = truth.shape[:-1]
    runs = np.arange(np.prod(lead, dtype=int)).reshape(*lead, 1)
    cells = (runs * n_classes + truth.astype(np.int64)) * n_classes + guess
    each = None if weights is None else np.broadcast_to(np.asarray(weights), truth.shape).ravel()
    counts = np.bincount(cells.ravel(), weights=each, minlength=runs.size * n_classes**2)
    return counts.reshape(*lead, n_classes, n_classes)


def class_scores(confusion: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall, f1 and support of each class, (..., K)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    support = confusion.sum(axis=-1).astype(float)
    n_predicted = confusion.sum(axis=-2).astype(float)
    ratios = {"precision": (hits, n_predicted), "recall": (hits, support), "f1": (2 * hits, support + n_predicted)}
    return {**{name: _ratio(*pair) for name, pair in ratios.items()}, "support": support}


def scores(confusion: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return each of SCORES with shape (...), 0-d for one matrix.

    A class that neither occurs nor is predicted counts as 0 in the macro means, as in scikit-learn given all labels.
    """
    classes = class_scores(confusion)
    n_right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float).sum(axis=-1)  # summed like support: 1 is exact
    macros = {f"macro_{name}": classes[name].mean(axis=-1) for name in ("precision", "recall", "f1")}
    return {"accuracy": _ratio(n_right, classes["support"].sum(axis=-1)), **macros}


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return part / whole, and 0 where whole is 0 (scikit-learn's zero_division=0)."""
    out = np.zeros_like(part)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def log_loss(
    probabilities: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any] | None = None, *, floor: float = 1e-12
) -> NDArray[np.float64]:
    """Return the mean of -ln p of the true class, in nats, (...). probabilities: (..., N, K), labels: (N,).

    weights: (N,), what an image counts. floor: the least p, which keeps a confident error finite.
    """
    p = probabilities[..., np.arange(labels.size), labels].astype(np.float64)  # (..., N)
    return np.asarray(np.average(-np.log(np.maximum(p, floor)), axis=-1, weights=weights))
