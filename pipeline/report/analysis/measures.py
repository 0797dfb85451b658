"""Further scores that the field asks for, of winner and baseline on the test part, with intervals of the recipe."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.predictions import Part, Runs
from pipeline.report.analysis.leaving_out import recipe_estimate, scaled_difference, units_of_macro
from pipeline.report.formatting import percent
from pipeline.report.results import Results
from pipeline.statistics.calibration import ROUNDING
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored, area_difference, jackknife_estimate, unit_classes
from pipeline.statistics.measures import (
    chance_outcomes,
    class_calibration_error,
    confusion_score,
    error_costs,
    matthews,
    score_precision,
    shifted,
    squared_errors,
    unit_mean,
)
from pipeline.statistics.scores import scores
from pipeline.statistics.units import unit_weights

COSTS_OF_MISS = (1, 10, 100)  # of a missed positive, in false alarms
BIN_UNITS, LEAST_BINS, MOST_BINS = 20, 5, 10  # of a class-wise calibration error
CHANCE_DRAWS = 100  # of outcomes under exact probabilities; only their mean is shown


class Measure(NamedTuple):
    """A score of either model and their difference."""

    name: str
    winner: Estimate
    baseline: Estimate
    difference: Estimate


class Units(NamedTuple):
    """The test part, as the measures need it."""

    part: Part
    n_classes: int
    strata: Any  # (U,) class of each unit

    @property
    def class_shares(self) -> Any:
        """Return the share of each class among the units, (K,)."""
        weights = unit_weights(self.part.labels, self.part.groups)
        return np.bincount(self.part.labels, weights, self.n_classes) / weights.sum()

    @property
    def share(self) -> float:
        """Return the share of units that are positive."""
        weights = unit_weights(self.part.positive.astype(np.int64), self.part.groups)
        return float(weights[self.part.positive].sum() / weights.sum())

    def mean(self, values: Any) -> Scored:
        return unit_mean(values, self.part.labels, self.part.groups)

    def at_share(self, values: Any, share: float) -> Scored:
        """Return the mean where `share` of the units is positive. values: (S, N)."""
        return unit_mean(values, self.part.positive.astype(np.int64), self.part.groups, [1 - share, share])

    @property
    def sides(self) -> Any:
        """Return whether each unit is positive, (U,) 0 or 1."""
        return unit_classes(self.part.positive.astype(np.int64), self.part.groups)


def units(results: Results) -> Units:
    part = results.evaluation.parts["test"]
    return Units(part, len(results.evaluation.classes), unit_classes(part.labels, part.groups))


def measures(results: Results) -> list[Measure]:
    """Return balanced accuracy, Matthews' correlation, expected cost and Brier scores, and the average precision."""
    of = units(results)
    part, k = of.part, of.n_classes
    costs = 1 / (1 - of.class_shares.max())  # of an error, in those of naming the commonest class
    n_units, n_macro = of.strata.size, units_of_macro(of.strata)
    measured = []

    def add(
        name: str,
        score: Callable[[Runs], Scored],
        n: int,
        *,
        lowest: float = 0.0,
        highest: float = 1.0,
        is_area: bool = False,
    ) -> None:
        first, second = (score(part.models[model]) for model in MODELS)
        ends = {"n": n, "lowest": lowest, "highest": highest}
        winner, baseline = (
            recipe_estimate(scored, of.strata, heavy_tails=is_area, **ends) for scored in (first, second)
        )
        difference = scaled_difference(first, second, of.strata, highest - lowest)
        if is_area:
            difference = area_difference(first, second, of.strata)
        measured.append(Measure(name, winner, baseline, difference))

    def of_confusion(score: Callable[[Any], Any]) -> Callable[[Runs], Scored]:
        return lambda runs: confusion_score(part.labels, runs.predicted, part.groups, k, score)

    add("balanced accuracy (macro recall)", of_confusion(lambda confusion: scores(confusion)["macro_recall"]), n_macro)
    add("Matthews correlation, −1 to 1", of_confusion(matthews), n_macro, lowest=-1.0)
    add(
        "expected cost of equal errors, 1 as without looking",
        lambda runs: of.mean(costs * (runs.predicted != part.labels)),
        n_units,
        highest=costs,
    )
    add(
        "Brier score, 0 to 2",
        lambda runs: of.mean(squared_errors(runs.probabilities, part.labels)),
        n_units,
        highest=2.0,
    )
    if results.evaluation.positive:
        add(
            "Brier score of positive or not, 0 to 1",
            lambda r: of.mean((r.positive_score - part.positive) ** 2),
            n_units,
        )
        add(
            f"average precision at {percent(of.share, 0)} positive",
            lambda runs: score_precision(part.positive, runs.positive_score, part.groups),
            int(np.bincount(of.sides).min()),
            is_area=True,
        )
    return measured


def expected_costs(results: Results, share: float) -> dict[int, dict[str, Estimate]]:
    """Return the normalised expected cost of the frozen decision, by cost of a miss and model, at a share of positives.

    1 is the cost of the better of calling everyone negative and calling everyone positive.
    """
    of = units(results)
    table: dict[int, dict[str, Estimate]] = {}
    for cost in COSTS_OF_MISS:
        miss, alarm = error_costs(cost, share)
        table[cost] = {}
        for model in MODELS:
            thresholds = np.array([[run.threshold for run in results.evaluation.runs(model)]], dtype=float).T
            called = of.part.models[model].positive_score >= thresholds
            paid = np.where(of.part.positive, miss * ~called, alarm * called)
            shares = np.array([(1 - share) * alarm, share * miss])
            n = float((np.bincount(of.sides) / shares).min() * shares.sum())  # what the weaker side can bound
            scored = of.at_share(paid, share)
            table[cost][model] = recipe_estimate(scored, of.sides, n=n, highest=float(shares.sum()))
    return table


class ClassCalibration(NamedTuple):
    """The winner's probabilities of one class."""

    surplus: Estimate  # mean stated probability minus share of the units
    error: float  # class-wise ECE, mean over seeds
    chance: float  # the ECE that exact probabilities would show in this sample


def class_calibration(results: Results) -> list[ClassCalibration]:
    """Return the calibration of each class; empty if the units fill fewer than LEAST_BINS bins."""
    of, rng = units(results), results.resampling("class calibration", CHANCE_DRAWS).rng
    part, n_bins = of.part, min(MOST_BINS, of.strata.size // BIN_UNITS)
    weights, rows = unit_weights(part.labels, part.groups), []
    for c in range(of.n_classes if n_bins >= LEAST_BINS else 0):
        stated, is_class = part.models["winner"].probabilities[..., c], part.labels == c  # (S, N), (N,)
        errors, chance = [], []
        for p in stated:
            outcomes = np.vstack([is_class, chance_outcomes(p, part.groups, CHANCE_DRAWS, rng)])
            error, *by_chance = class_calibration_error(p, outcomes, weights, n_bins)
            errors.append(error)
            chance.append(np.mean(by_chance))
        surplus = jackknife_estimate(*of.mean(stated - is_class), strata=of.strata, bounded=False)
        rows.append(ClassCalibration(surplus, float(np.mean(errors)), float(np.mean(chance))))
    return rows


def expected_positives(results: Results, prevalence: float) -> Estimate:
    """Return the share of positives that the winner's probabilities expect where `prevalence` is positive."""
    of = units(results)
    stated = np.clip(of.part.models["winner"].positive_score, ROUNDING, 1 - ROUNDING)
    n = float((np.bincount(of.sides) / [1 - prevalence, prevalence]).min())
    return recipe_estimate(of.at_share(shifted(stated, of.share, prevalence), prevalence), of.sides, n=n)
