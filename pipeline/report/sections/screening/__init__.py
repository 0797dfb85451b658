"""What the winner's decision would mean in a screening."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pipeline.report.analysis.decision import Decision, operating_curves
from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import count_estimate, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.screening.figures import operating_curve, ppv_over_prevalence
from pipeline.report.sections.screening.people import people
from pipeline.report.sections.screening.slider_data import slider
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics import intervals
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import estimate_screening, negatives_to_claim

CLAIMS = (100, 22)  # false positives per number screened


class Quantity(NamedTuple):
    """A field of ScreeningEstimate on the page."""

    label: str
    show: Callable[[Estimate], str]
    method: str  # of its interval


QUANTITIES = {
    "sensitivity": Quantity("sensitivity", percent_estimate, "Wilson"),
    "specificity": Quantity("specificity", percent_estimate, "Wilson"),
    "false_positives": Quantity("false positives", count_estimate, "Clopper–Pearson"),
    "false_negatives": Quantity("false negatives", count_estimate, "Wilson"),
    "ppv": Quantity("PPV", lambda estimate: percent_estimate(estimate, 2), "Mercaldo, logit"),
    "npv": Quantity("NPV", lambda estimate: percent_estimate(estimate, 4), "Mercaldo, logit"),
}


def context(results: Results) -> dict[str, Any] | None:
    """Return the estimates at several prevalences, as people, and for the sliders; None without positive classes."""
    if not results.decisions:
        return None
    winner, settings = results.decisions["winner"], results.settings.screening
    columns = {**results.decisions, "winner at 0.5": results.decide("winner", at=0.5)}
    shown = [_shown(decision.estimate, *QUANTITIES) for decision in columns.values()]
    quantities = list(zip(QUANTITIES.values(), *shown, strict=True))
    prevalences = _prevalences(settings)
    errors = [estimate_screening(winner.operation, p, settings.n_screened) for p in prevalences.values()]
    return {
        "settings": settings,
        "min_sensitivity": results.evaluation.info.min_sensitivity,
        "winner": winner,
        "columns": list(columns),
        "estimates": [[quantity.label, *values, quantity.method] for quantity, *values in quantities],
        "prevalences": [
            [label, prevalence, *_shown(estimate, "false_positives", "false_negatives", "ppv", "npv")]
            for (label, prevalence), estimate in zip(prevalences.items(), errors, strict=True)
        ],
        "sure": 1 - intervals.sure_bound(winner.operation.n_healthy),
        "claims": {n: negatives_to_claim(n, winner.estimate.n_healthy) for n in CLAIMS},
        "seeds": [row for model, decision in results.decisions.items() for row in _seeds(model, decision)],
        "people": people(winner.operation, settings.prevalence_per_100k),
        "explored": [(name, q[0].label, q[1]) for name, q in zip(QUANTITIES, quantities, strict=True)],
        "slider": slider(results.evaluation.parts["test"], winner, settings),
    }


def _shown(estimate: Any, *names: str) -> list[str]:
    return [QUANTITIES[name].show(getattr(estimate, name)) for name in names]


def _prevalences(settings: ScreeningSettings) -> dict[str, float]:
    return {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}


def _seeds(model: str, decision: Decision) -> list[list[str]]:
    rows = []
    for i, threshold in enumerate(decision.thresholds):
        rates = [percent(decision.sensitivity[i]), percent(decision.specificity[i]), f"{decision.auc[i]:.4f}"]
        rows.append([model, f"{threshold:.4f}", *rates, *(f"{n:,}" for n in decision.counts[i])])
    return rows


def draw(results: Results) -> list[Picture]:
    """Draw what another threshold would trade, and the PPV over the prevalence."""
    winner, settings = results.decisions["winner"], results.settings.screening
    curves = operating_curves(results.evaluation.parts["test"], "winner")
    frozen = list(zip(winner.sensitivity.tolist(), winner.specificity.tolist(), strict=True))
    n_healthy, main = winner.estimate.n_healthy, settings.prevalence_per_100k
    operating = operating_curve(curves, frozen, n_healthy=n_healthy, n_screened=settings.n_screened)
    marked = _prevalences(settings).values()
    grid = np.geomspace(min(1.0, *marked), max(20_000.0, *marked), 120)
    ppv = [estimate_screening(winner.operation, float(p)).ppv for p in grid]
    by_prevalence = ppv_over_prevalence(grid, ppv, marked=marked, main=main)
    return [Picture("operating", png(operating)), Picture("ppv", png(by_prevalence))]


SECTION = Section(order=90, title="Screening", context=context, figures=draw, script="slider.js")
