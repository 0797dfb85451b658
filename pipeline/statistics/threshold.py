"""TODO statistics.threshold."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.statistics.groups import own_group_sizes


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
