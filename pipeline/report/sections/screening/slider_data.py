"""Data of the sliders: the estimates at every position of the threshold, which slider.js scales to the people screened.

At equal numbers of diseased and healthy persons, expected errors are rates, and the odds of a predictive value are a
likelihood ratio; both hold at every prevalence.
"""

from typing import Any

import numpy as np

from pipeline.artifacts.predictions import Part
from pipeline.report.analysis.decision import Decision, operate, rates
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation, estimate_screening

POSITIONS = np.arange(-240, 241)  # of the threshold slider, even on a logit
EQUAL = {"prevalence_per_100k": 50_000, "n_screened": 2}  # one person diseased, one healthy
Ends = list[float | None]


def thresholds() -> np.ndarray[Any, Any]:
    """Return the threshold at each position: halfway between two scores, which have six decimals."""
    return (np.floor(1e6 / (1 + np.exp(-POSITIONS / 20))) + 0.5) / 1e6


def slider(part: Part, winner: Decision, settings: ScreeningSettings) -> dict[str, Any]:
    """Return what slider.js reads. Positions with equal rates share a row of `estimates`."""
    estimates: list[list[Ends]] = []
    rows: dict[Operation, int] = {}
    row_of = []
    for threshold in thresholds():
        operation = operate(part, *rates(part, part.models["winner"].positive_score >= threshold))
        if operation not in rows:
            rows[operation] = len(estimates)
            estimates.append(scalable(operation))
        row_of.append(rows[operation])
    low, high = min(winner.thresholds), max(winner.thresholds)
    middle = float(np.clip(np.mean(winner.thresholds), 1e-6, 1 - 1e-6))
    return {
        "prevalence": settings.prevalence_per_100k,
        "n_screened": settings.n_screened,
        "frozen": scalable(winner.operation),
        "frozen_text": f"{low:.3f} to {high:.3f}, one per seed" if len(winner.thresholds) > 1 else f"{low:.3f}",
        "middle": round(20 * float(np.log(middle / (1 - middle)))),
        "first": int(POSITIONS[0]),
        "thresholds": thresholds().round(7).tolist(),
        "rows": row_of,
        "estimates": estimates,
    }


def scalable(operation: Operation) -> list[Ends]:
    """Return value, low and high of six quantities.

    They are: sensitivity, specificity, errors per healthy and per diseased person, and the likelihood ratios of a
    positive and a negative call.
    """
    e = estimate_screening(operation, **EQUAL)
    rates_of = [e.sensitivity, e.specificity, e.false_positives, e.false_negatives]
    return [*(_ends(rate) for rate in rates_of), *(_ends(value, odds=True) for value in (e.ppv, e.npv))]


def _ends(estimate: Estimate, *, odds: bool = False) -> Ends:
    shown: Ends = []
    for end in (estimate.value, estimate.low, estimate.high):
        scaled = end / (1 - end) if odds and end is not None else end
        shown.append(None if scaled is None else float(f"{scaled:.10g}"))
    return shown
