"""Further scores that the field asks for, of winner and baseline on the test part."""

from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.analysis.leaving_out import RECIPE
from pipeline.report.analysis.measures import (
    COSTS_OF_MISS,
    Measure,
    class_calibration,
    expected_costs,
    expected_positives,
    measures,
    units,
)
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import (
    count,
    count_estimate,
    number_estimate,
    percent,
    percent_estimate,
    points_estimate,
)
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.measures import average_precision, least_precision, linear, shifted

STATED = (0.5, 0.9, 0.99, 0.999)  # probabilities carried to the prevalence


def context(results: Results) -> dict[str, Any]:
    """Return further scores, and for positive classes costs and probabilities at the prevalence."""
    n = results.test_n
    further = Table(
        f"Further scores: mean over seeds [95 %], {n}, {RECIPE}",
        ["score", *MODELS, "winner minus baseline, in hundredths"],
        [_row(measure) for measure in measures(results)],
        note="Each unit counts once in each class. Matthews correlation: of truth and prediction, 0 without relation "
        "(Gorodkin 2004). Expected cost: share of errors, relative to always naming the commonest class. Brier score: "
        "squared distance of the probabilities from the truth, 0 is best. Average precision: area under the steps of "
        "the precision-recall curve. Intervals: jackknife over units and variance between seeds.",
    )
    calibrated = _calibration_table(results, n)
    screened = _at_prevalence(results, n) if results.evaluation.positive else {"sentences": [], "tables": []}
    return {"sentences": screened["sentences"], "tables": [further, *calibrated, *screened["tables"]]}


def _row(measure: Measure) -> list[str]:
    show = percent_estimate if "accuracy" in measure.name or "precision" in measure.name else number_estimate
    return [measure.name, show(measure.winner), show(measure.baseline), points_estimate(measure.difference, 2)]


def _calibration_table(results: Results, n: str) -> list[Table]:
    rows = [
        [name, points_estimate(of.surplus, 2), percent(of.error, 2), percent(of.chance, 2)]
        for name, of in zip(results.evaluation.classes, class_calibration(results), strict=False)
    ]
    table = Table(
        f"Calibration of each class, winner as stated: mean over seeds, {n}, {RECIPE}",
        ["class", "stated minus observed, points [95 %]", "class-wise ECE", "ECE of chance alone"],
        rows,
        note="Stated minus observed: mean probability of the class minus its share; above 0 the class is stated too "
        "often. Class-wise ECE: mean gap in bins of equal mass (Kull et al. 2019). It has no interval, since it cannot "
        "reach 0 in a sample: read it against the ECE that exact probabilities would show here.",
    )
    return [table] if rows else []


def _at_prevalence(results: Results, n: str) -> dict[str, Any]:
    """Return costs, precision and probabilities at the assumed prevalence."""
    prevalence = results.settings.screening.prevalence_per_100k
    expected = linear(expected_positives(results, prevalence / 100_000), 100_000)
    sentence = (
        f"Carried to {prevalence:g} per 100,000, the winner's probabilities expect {count_estimate(expected)} "
        f"positives per 100,000 [95 %, {n}], where {count(prevalence)} are assumed; probabilities that are calibrated "
        "there would expect as many."
    )
    tables = [_cost_table(results, n), _precision_table(results, n), _carried_table(results, n)]
    return {"sentences": [sentence], "tables": tables}


def _cost_table(results: Results, n: str) -> Table:
    share, per_100k = units(results).share, results.settings.screening.prevalence_per_100k
    shares = {f"at {percent(share, 0)}": share, f"at {per_100k:g} per 100,000": per_100k / 100_000}
    costs = {name: expected_costs(results, share) for name, share in shares.items()}
    return Table(
        f"Normalised expected cost of the decision at the frozen thresholds [95 %], {n}, {RECIPE}",
        ["cost of a miss : of a false alarm", *(f"{model}, {name}" for name in shares for model in MODELS)],
        [
            [f"{cost} : 1", *(number_estimate(costs[name][cost][model]) for name in shares for model in MODELS)]
            for cost in COSTS_OF_MISS
        ],
        note=f"Share of positives: {' and '.join(shares)}. 1 is the cost of the better decision without looking: to "
        "call everyone negative, or everyone positive. Above 1 it is better not to look (Ferrer 2022).",
    )


def _precision_table(results: Results, n: str) -> Table:
    of, per_100k = units(results), results.settings.screening.prevalence_per_100k
    prevalence, part = per_100k / 100_000, of.part
    bounds, reweighted = [], []
    for model in MODELS:
        tasks = [(part.positive, score, part.groups) for score in part.models[model].positive_score]
        bounds.append(Estimate(None, float(np.mean([least_precision(*run, prevalence) for run in tasks])), None))
        reweighted.append(percent(float(np.mean([average_precision(*run, prevalence) for run in tasks]))))
    n_negative = int((of.sides == 0).sum())
    return Table(
        f"Average precision at {per_100k:g} per 100,000, mean over seeds, {n}, {RECIPE}",
        ["value", *MODELS],
        [
            ["95 % bound", *(percent_estimate(bound, 2) for bound in bounds)],
            ["re-weighted sample, no estimate", *reweighted],
        ],
        note="At this prevalence precision depends on false positive rates of about as many per 100,000, which "
        f"{n_negative} negative units cannot show. The re-weighted sample treats a threshold without false positives "
        "as if it had none in a population; the bound takes the upper end of the Clopper–Pearson interval at each "
        "threshold.",
    )


def _carried_table(results: Results, n: str) -> Table:
    share, screening = units(results).share, results.settings.screening
    prevalences = sorted({screening.prevalence_per_100k, *screening.other_prevalences.values()})
    return Table(
        f"What a stated probability of the positive classes means at another prevalence, share of positives from {n}",
        [f"stated, at {percent(share, 0)} positive", *(f"at {p:g} per 100,000" for p in prevalences)],
        [[f"{p:g}", *(percent(float(shifted(p, share, x / 100_000)), 3) for x in prevalences)] for p in STATED],
        note="Bayes: the odds change by the ratio of prior odds (Saerens et al. 2002). It holds if the probabilities "
        "are exact in this sample, and the images of either kind are those of the population.",
    )


SECTION = Section(order=85, title="Measures", context=context)
