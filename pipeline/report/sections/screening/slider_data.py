"""Data of the sliders: the estimates at every position of the threshold, which slider.js scales to the people screened.

Rates and the factors by which a call multiplies the odds hold at every prevalence.
"""

from typing import Any

import numpy as np

from pipeline.artifacts.predictions import Part
from pipeline.report.analysis.decision import Decision, operate
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation, estimate_screening, evidence

POSITIONS = np.arange(-240, 241)  # of the threshold slider, even on a logit
# halfway between two scores, which have six decimals
THRESHOLDS = (np.floor(1e6 / (1 + np.exp(-POSITIONS / 20))) + 0.5) / 1e6


def slider(part: Part, winner: Decision, settings: ScreeningSettings) -> dict[str, Any]:
    """Return what slider.js reads. Positions with equal rates share a row of `estimates`."""
    operations: dict[Operation, int] = {}  # operation -> its row
    row_of = []
    for threshold in THRESHOLDS:
        operation = operate(part, part.models["winner"].positive_score >= threshold)
        row_of.append(operations.setdefault(operation, len(operations)))
    low, high = min(winner.thresholds), max(winner.thresholds)
    middle = float(np.clip(np.mean(winner.thresholds), 1e-6, 1 - 1e-6))
    return {
        "prevalence": settings.prevalence_per_100k,
        "n_screened": settings.n_screened,
        "frozen": scalable(winner.operation),
        "frozen_text": f"{low:.3f} to {high:.3f}, one per seed" if len(winner.thresholds) > 1 else f"{low:.3f}",
        "middle": round(20 * float(np.log(middle / (1 - middle)))),
        "first": int(POSITIONS[0]),
        "thresholds": THRESHOLDS.round(7).tolist(),
        "rows": row_of,
        "estimates": [scalable(operation) for operation in operations],
    }


def scalable(operation: Operation) -> list[list[float | None]]:
    """Return value, low and high of six quantities.

    They are: sensitivity, specificity, errors per healthy and per diseased person, and the factors by which a positive
    and a negative call multiply the odds of what they claim.
    """
    e = estimate_screening(operation, prevalence_per_100k=50_000, n_screened=2)  # one person diseased, one healthy
    rates_of = [e.sensitivity, e.specificity, e.false_positives, e.false_negatives]
    return [_ends(quantity) for quantity in (*rates_of, *evidence(operation))]


def _ends(estimate: Estimate) -> list[float | None]:
    return [None if end is None else float(f"{end:.10g}") for end in (estimate.value, estimate.low, estimate.high)]
