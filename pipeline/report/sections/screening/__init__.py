"""What the winner's decision would mean in a screening."""

from collections.abc import Callable
from typing import Any

from pipeline.report.analysis.decision import Decision, operating_curves
from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import count, count_estimate, group_count, number_estimate, percent, percent_estimate
from pipeline.report.results import Results
from pipeline.report.sections.screening.decision_curve import benefit_rows, decision_curve
from pipeline.report.sections.screening.figures import operating_curve, ppv_over_prevalence
from pipeline.report.sections.screening.people import people
from pipeline.report.sections.screening.slider_data import slider
from pipeline.report.sections.screening.sources import caution, screened_sources
from pipeline.report.sections.subgroups import LEAST_UNITS
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics import intervals
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import (
    ScreeningEstimate,
    alarmed_by_any,
    estimate_screening,
    likelihood_ratios,
    negatives_to_claim,
    units_to_bound,
)

WITHIN = 0.01  # half-width of an interval of the false positive rate
CLAIMS = (100, 22)  # false positives per number screened

# field of ScreeningEstimate -> label, text and the method of its interval
QUANTITIES: dict[str, tuple[str, Callable[[Estimate], str], str]] = {
    "sensitivity": ("sensitivity per {image}", percent_estimate, "jackknife, logit"),
    "specificity": ("specificity per {image}", percent_estimate, "jackknife, logit"),
    "false_positives": ("false positives", count_estimate, "from specificity"),
    "false_negatives": ("false negatives", count_estimate, "from sensitivity"),
    "ppv": ("PPV", lambda estimate: percent_estimate(estimate, 2), "from both rates"),
    "npv": ("NPV", lambda estimate: percent_estimate(estimate, 4), "from both rates"),
}


def context(results: Results) -> dict[str, Any] | None:
    """Return the estimates at several prevalences, as people, and for the sliders; None without positive classes."""
    of_champion = results.champion_decision
    if of_champion is None:
        return None
    winner, settings = results.decisions["winner"], results.settings.screening
    image = "slice" if results.evaluation.dataset.medical else "image"
    champion = results.evaluation.info.champion.seed
    estimated = {model: decision.estimate for model, decision in results.decisions.items()}
    estimated |= {
        "winner at 0.5": results.decide("winner", at=0.5).estimate,
        f"champion, seed {champion}": of_champion.estimate,
    }
    alarmed = winner.estimate.false_positives
    estimates = [
        [label.format(image=image), *(show(getattr(estimate, name)) for estimate in estimated.values()), method]
        for name, (label, show, method) in QUANTITIES.items()
    ]
    sources = screened_sources(results, image)
    return {
        "cautions": [text for rate, rates in sources.items() if (text := caution(rate, rates))],
        "settings": settings,
        "image": image,
        "n": f"n = {winner.operation.n_diseased:,} positive and {winner.operation.n_healthy:,} negative units of test",
        "min_sensitivity": results.evaluation.info.min_sensitivity,
        "winner": winner,
        "champion": champion,
        "columns": list(estimated),
        "estimates": estimates,
        "sources": [
            [rate, of.source, f"{of.n_units:,}", f"{of.n_images:,}", percent_estimate(of.rate)]
            for rate, rates in sources.items()
            for of in rates
        ],
        "least_units": LEAST_UNITS,
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
        "claims": _claims(winner, settings.n_screened),
        "benefits": benefit_rows(
            results.evaluation, winner, settings.prevalence_per_100k / 100_000, settings.n_screened
        ),
        "seeds": [row for model, decision in results.decisions.items() for row in _seeds(model, decision)],
        "people": people(winner.operation, settings.prevalence_per_100k),
        "explored": [(name, row[0], row[1]) for name, row in zip(QUANTITIES, estimates, strict=True)],
        "slider": slider(results.evaluation.parts["test"], winner, settings),
    }


def _claims(winner: Decision, n_screened: float) -> list[list[str]]:
    """Return claims about false positives, and how many independent healthy units each needs."""
    observed, n_healthy = 1 - winner.operation.specificity, winner.estimate.n_healthy
    none = "none seen among the units"
    needed = {
        f"at most {n} false positives per {n_screened:,}, {none}": negatives_to_claim(n, n_healthy) for n in CLAIMS
    }
    needed[f"a false positive rate of at most {percent(WITHIN, 0)}, {none}"] = units_to_bound(0, WITHIN)
    if observed:
        claim = f"the false positive rate within ±{100 * WITHIN:.0f} point, if it is {percent(observed)} as observed"
        needed[claim] = units_to_bound(observed, WITHIN)
    return [[claim, f"{n:,}"] for claim, n in needed.items()]


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
        rows.append([model, f"{threshold:.4f}", *rates, *map(group_count, decision.counts[i].tolist())])
    return rows


def draw(results: Results) -> list[Picture]:
    """Draw what another threshold would trade, the PPV over the prevalence, and the decision curve."""
    winner, settings = results.decisions["winner"], results.settings.screening
    share = settings.prevalence_per_100k / 100_000
    curves = operating_curves(results.evaluation.parts["test"], "winner")
    return [
        Picture("operating", png(operating_curve(curves, winner, settings.n_screened))),
        Picture("ppv", png(ppv_over_prevalence(winner.operation, list(_prevalences(settings).values())))),
        Picture("benefit", png(decision_curve(results.evaluation, winner, share, settings.n_screened))),
    ]


SECTION = Section(order=90, title="Screening", context=context, figures=draw, scripts=("slider.js",))
