"""What the winner's decision would mean in a screening."""

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.report.analysis.decision import Decision, operating_curves
from pipeline.report.drawing import BLUE, GREY, ORANGE, Picture, canvas, percents, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import count, count_estimate, number_estimate, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.screening.people import people
from pipeline.report.sections.screening.slider_data import slider
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics import intervals
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import (
    Operation,
    ScreeningEstimate,
    alarmed_by_any,
    estimate_screening,
    likelihood_ratios,
    negatives_to_claim,
)

CLAIMS = (100, 22)  # false positives per number screened


# field of ScreeningEstimate -> label, text and the method of its interval
QUANTITIES: dict[str, tuple[str, Callable[[Estimate], str], str]] = {
    "sensitivity": ("sensitivity", percent_estimate, "Wilson"),
    "specificity": ("specificity", percent_estimate, "Wilson"),
    "false_positives": ("false positives", count_estimate, "Clopper–Pearson"),
    "false_negatives": ("false negatives", count_estimate, "Wilson"),
    "ppv": ("PPV", lambda estimate: percent_estimate(estimate, 2), "Mercaldo, logit"),
    "npv": ("NPV", lambda estimate: percent_estimate(estimate, 4), "Mercaldo, logit"),
}


def context(results: Results) -> dict[str, Any] | None:
    """Return the estimates at several prevalences, as people, and for the sliders; None without positive classes."""
    if not results.decisions:
        return None
    winner, settings = results.decisions["winner"], results.settings.screening
    columns = {**results.decisions, "winner at 0.5": results.decide("winner", at=0.5)}
    alarmed = winner.estimate.false_positives
    estimates = [
        [label, *(show(getattr(decision.estimate, name)) for decision in columns.values()), method]
        for name, (label, show, method) in QUANTITIES.items()
    ]
    return {
        "settings": settings,
        "min_sensitivity": results.evaluation.info.min_sensitivity,
        "winner": winner,
        "columns": list(columns),
        "estimates": estimates,
        "prevalences": [
            [label, prevalence, *_errors(estimate_screening(winner.operation, prevalence, settings.n_screened))]
            for label, prevalence in _prevalences(settings).items()
        ],
        "slices": [
            [n, count_estimate(alarmed), count_estimate(alarmed_by_any(alarmed, winner.estimate.n_healthy, n))]
            for n in settings.slices_per_person
        ],
        "ratios": [number_estimate(ratio) for ratio in likelihood_ratios(winner.operation)],
        "alarms_per_finding": _alarms_per_finding(winner.estimate),
        "sure": 1 - intervals.sure_bound(winner.operation.n_healthy),
        "claims": {n: negatives_to_claim(n, winner.estimate.n_healthy) for n in CLAIMS},
        "seeds": [row for model, decision in results.decisions.items() for row in _seeds(model, decision)],
        "people": people(winner.operation, settings.prevalence_per_100k),
        "explored": [(name, label, value) for name, (label, value, *_) in zip(QUANTITIES, estimates, strict=True)],
        "slider": slider(results.evaluation.parts["test"], winner, settings),
    }


def _errors(estimate: ScreeningEstimate) -> list[str]:
    names = ("false_positives", "false_negatives", "ppv", "npv")
    return [QUANTITIES[name][1](getattr(estimate, name)) for name in names]


def _alarms_per_finding(estimate: ScreeningEstimate) -> str | None:
    """Return how many healthy persons are alarmed for each tumour that is found; None where a number is a bound."""
    alarmed, missed = estimate.false_positives.value, estimate.false_negatives.value
    return None if alarmed is None or missed is None else count(alarmed / (estimate.n_diseased - missed))


def _prevalences(settings: ScreeningSettings) -> dict[str, float]:
    return {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}


def _seeds(model: str, decision: Decision) -> list[list[str]]:
    rows = []
    for i, threshold in enumerate(decision.thresholds):
        rates = [percent(decision.sensitivity[i]), percent(decision.specificity[i]), f"{decision.auc[i]:.4f}"]
        rows.append([model, f"{threshold:.4f}", *rates, *(f"{n:,}" for n in decision.counts[i])])
    return rows


@styled
def operating_curve(curves: list[tuple[NDArray[Any], NDArray[Any]]], frozen: Decision, n_screened: int) -> Figure:
    """Draw false positives over sensitivity. curves: (sensitivity, specificity) per seed at every threshold."""
    figure, axes = canvas(3.6)
    axis, n_healthy = axes[0, 0], frozen.estimate.n_healthy
    for sensitivity, specificity in curves:
        axis.plot(sensitivity, n_healthy * (1 - specificity), color=BLUE, lw=1, alpha=0.55)
    marks = {"color": ORANGE, "ms": 7, "mec": "white", "clip_on": False, "zorder": 3}
    for se, sp in zip(frozen.sensitivity, frozen.specificity, strict=True):
        axis.plot(se, n_healthy * (1 - sp), "D", **marks)
    axis.lines[0].set_label("one seed, any threshold (exploration)")
    axis.lines[len(curves)].set_label("at its frozen threshold")
    # linear below one expected person: a curve may touch 0
    errors = np.concatenate([1 - specificity for _, specificity in curves])
    axis.set_yscale("symlog", linthresh=n_healthy * float(errors[errors > 0].min()))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_major_formatter(percents)
    floor = max(0.0, frozen.sensitivity.min() - 0.1)
    axis.set(xlabel="sensitivity", ylabel=f"false positives per {n_screened:,}", xlim=(floor, 1.005))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=9, loc="upper left")
    return figure


@styled
def ppv_over_prevalence(operation: Operation, marked: list[float]) -> Figure:
    """Draw the PPV with its interval, or its lower bound where the sample gives no more. marked: the main one first."""
    figure, axes = canvas(3.6)
    axis, main = axes[0, 0], marked[0]
    prevalences = np.geomspace(min(1.0, *marked), max(20_000.0, *marked), 120)
    ppv = [astuple(estimate_screening(operation, float(prevalence)).ppv) for prevalence in prevalences]
    value, low, high = np.array(ppv, dtype=float).T  # NaN for None
    if np.isfinite(value).any():
        axis.plot(prevalences, value, color=BLUE, lw=2.2, label="PPV")
        axis.fill_between(prevalences, low, high, color=BLUE, alpha=0.18, lw=0, label="95 % interval")
    elif np.isfinite(low).any():
        axis.plot(prevalences, low, color=BLUE, lw=2.2, ls="--", label="PPV is at least")
        axis.fill_between(prevalences, low, 1, color=BLUE, alpha=0.12, lw=0)
    named: list[float] = []
    for prevalence in sorted(marked, key=lambda prevalence: (prevalence != main, prevalence)):
        strong = prevalence == main
        axis.axvline(prevalence, color=ORANGE if strong else GREY, lw=1.6 if strong else 1, ls="-" if strong else ":")
        if any(0.85 < prevalence / other < 1.15 for other in named if other != main):
            continue  # its label would overlap another
        named.append(prevalence)
        side = "right" if strong else "left"
        axis.annotate(
            f"{prevalence:g}", (prevalence, 1.0), xycoords=("data", "axes fraction"), textcoords="offset points",
            xytext=(-3 if strong else 3, -3), ha=side, va="top", rotation=90, fontsize=8.5,
            color=ORANGE if strong else "#555555",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(percents)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set(xlabel="prevalence per 100,000 (log)", ylabel="PPV (log)", xlim=(prevalences[0], prevalences[-1]))
    axis.set_ylim(top=1)
    axis.legend(fontsize=9, loc="lower right")
    return figure


def draw(results: Results) -> list[Picture]:
    """Draw what another threshold would trade, and the PPV over the prevalence."""
    winner, settings = results.decisions["winner"], results.settings.screening
    curves = operating_curves(results.evaluation.parts["test"], "winner")
    return [
        Picture("operating", png(operating_curve(curves, winner, settings.n_screened))),
        Picture("ppv", png(ppv_over_prevalence(winner.operation, list(_prevalences(settings).values())))),
    ]


SECTION = Section(order=90, title="Screening", context=context, figures=draw, script="slider.js")
