"""The threshold of a screening decision: enough sensitivity first, then the largest specificity."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.statistics.groups import own_group_sizes

ROUNDING = 1e-9  # 57 of 60 reach a sensitivity of 0.95, however the sums were rounded


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
