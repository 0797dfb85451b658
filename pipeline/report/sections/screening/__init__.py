"""What the winner's decision would mean in a screening."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pipeline.report.analysis.decision import Decision, operating_curves
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count, count_estimate, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.screening.figures import operating_curve, ppv_over_prevalence
from pipeline.report.sections.screening.people import PEOPLE, people
from pipeline.report.sections.screening.slider import slider
from pipeline.report.settings import ScreeningSettings
from pipeline.report.table import Table
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
    operation, n_healthy = winner.operation, winner.estimate.n_healthy
    sure = 1 - intervals.sure_bound(operation.n_healthy)
    icons = people(operation, settings.prevalence_per_100k)
    certain = icons.certain
    claims = [f"at most {n} false positives would take {negatives_to_claim(n, n_healthy):,}" for n in CLAIMS]
    return {
        "settings": settings,
        "min_sensitivity": results.evaluation.info.min_sensitivity,
        "estimates": _estimates(results, {**results.decisions, "winner at 0.5": results.decide("winner", at=0.5)}),
        "prevalences": _prevalences(winner, settings),
        "sure": f"{percent(sure, 2)} of all healthy persons might still be called positive (95 %, rule of three): "
        f"{count(n_healthy * sure)} of {settings.n_screened:,}",
        "n_healthy_groups": operation.n_healthy,
        "claims": f"{', '.join(claims)} negatives without one",
        "seeds": _seeds(results.decisions),
        "people": icons,
        "people_caption": f"The result: 100,000 people at {settings.prevalence_per_100k} per 100,000 and the frozen "
        "thresholds, 100 in each block; below them the first four blocks, enlarged. Whole people: expected are "
        f"{count_estimate(estimate_screening(operation, settings.prevalence_per_100k, PEOPLE).false_negatives)} missed."
        f"{'' if certain else ' Where the sample shows no error, the bound is drawn.'}",
        "explored": [(name, q.label, q.show(getattr(winner.estimate, name))) for name, q in QUANTITIES.items()],
        "slider": slider(results.evaluation.parts["test"], winner, settings),
    }


def _estimates(results: Results, decisions: dict[str, Decision]) -> Table:
    settings, winner = results.settings.screening, results.decisions["winner"]
    rows = [
        [q.label, *(q.show(getattr(decision.estimate, name)) for decision in decisions.values()), q.method]
        for name, q in QUANTITIES.items()
    ]
    return Table(
        f"Per {settings.n_screened:,} screened at {settings.prevalence_per_100k} per 100,000 "
        f"({settings.prevalence_source}): mean over seeds [95 %]; at the frozen thresholds, and where the more "
        "probable side decides",
        ["quantity", *decisions, "interval"],
        rows,
        note=f"Expected: {count(winner.estimate.n_diseased)} diseased and {count(winner.estimate.n_healthy)} healthy "
        f"persons. Intervals count groups: n = {winner.operation.n_diseased} diseased, {winner.operation.n_healthy} "
        "healthy. Where the sample shows no error, a one-sided 95 % bound takes the place of an estimate.",
    )


def _prevalences(winner: Decision, settings: ScreeningSettings) -> Table:
    shown = ("false_positives", "false_negatives", "ppv", "npv")
    rows = []
    for label, prevalence in _all_prevalences(settings).items():
        estimate = estimate_screening(winner.operation, prevalence, settings.n_screened)
        rows.append([label, prevalence, *(QUANTITIES[name].show(getattr(estimate, name)) for name in shown)])
    return Table(
        f"The winner at several prevalences, per {settings.n_screened:,} screened",
        ["prevalence and its source", "per 100,000", *(QUANTITIES[name].label for name in shown)],
        rows,
    )


def _all_prevalences(settings: ScreeningSettings) -> dict[str, float]:
    return {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}


def _seeds(decisions: dict[str, Decision]) -> Table:
    rows = []
    for model, d in decisions.items():
        for i, threshold in enumerate(d.thresholds):
            rates = [percent(d.sensitivity[i]), percent(d.specificity[i]), f"{d.auc[i]:.4f}"]
            rows.append([model, f"{threshold:.4f}", *rates, *(f"{n:,}" for n in d.counts[i])])
    return Table(
        "Decision on test at the frozen threshold of every seed",
        ["model", "threshold", "sensitivity", "specificity", "AUC", "TP, images", "FP", "TN", "FN"],
        rows,
    )


def draw(results: Results) -> list[Picture]:
    """Draw what another threshold would trade, and the PPV over the prevalence."""
    if not results.decisions:
        return []
    winner, settings = results.decisions["winner"], results.settings.screening
    curves = operating_curves(results.evaluation.parts["test"], "winner")
    frozen = list(zip(winner.sensitivity.tolist(), winner.specificity.tolist(), strict=True))
    marked = _all_prevalences(settings).values()
    grid = np.geomspace(min(1.0, *marked), max(20_000.0, *marked), 120)
    ppv = [estimate_screening(winner.operation, float(p)).ppv for p in grid]
    without_error = (
        " At 0: no error in this sample, which is no proof of none." if (winner.specificity == 1).any() else ""
    )
    return [
        Picture(
            "operating",
            png(operating_curve(curves, frozen, n_healthy=winner.estimate.n_healthy, n_screened=settings.n_screened)),
            alt="Expected false positives over sensitivity for every threshold, one line per seed, frozen ones marked.",
            caption="What another threshold would trade. Only the diamonds were fixed beforehand; the lines are "
            f"exploration.{without_error}",
        ),
        Picture(
            "ppv",
            png(ppv_over_prevalence(grid, ppv, marked=marked, main=settings.prevalence_per_100k)),
            alt="Positive predictive value with its interval over the prevalence per 100,000, both logarithmic.",
            caption="How the PPV depends on the prevalence. Vertical lines: the prevalences of the table.",
        ),
    ]


SECTION = Section(order=90, title="Screening", context=context, figures=draw, script="slider.js")
