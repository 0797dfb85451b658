"""AUC and calibration on the test part: how good the probabilities are before a decision."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.predictions import Part, Runs
from pipeline.report.analysis.scoring import Resampling, spread
from pipeline.report.drawing import BLUE, Picture, canvas, percents, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import number, percent, percent_estimate, points, points_estimate
from pipeline.report.results import Results
from pipeline.statistics import calibration
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored, area_difference, jackknife_estimate, unit_classes
from pipeline.statistics.roc import mean_areas, score_areas
from pipeline.statistics.scores import log_loss
from pipeline.statistics.units import own_group_sizes

LEAST_GROUPS = 10  # on either side of an AUC, for an interval of it
BIN_GROUPS, LEAST_BINS, MOST_BINS = 20, 5, 10  # of a calibration curve
CHANCE_DRAWS = 200  # of outcomes under exact probabilities; only their mean is shown


def context(results: Results) -> dict[str, Any]:
    """Return AUC and calibration."""
    areas = discriminate(results.evaluation)
    calibrations = calibrated(results)
    return {
        "areas": [_area_row(model, areas.means[model], seeds) for model, seeds in areas.seeds.items()],
        "areas_of": ", ".join(results.evaluation.positive) or "each class",
        "difference": points_estimate(areas.difference, 2),
        "n_groups": areas.n_groups,
        "n_test": f"{results.scores.n_groups:,}",
        "calibration": [_calibration_row(model, of) for model, of in calibrations.items()],
        "n_bins": _n_bins(results.evaluation),
        "errors": [percent(error, 2) for error in calibrations["winner"].errors] if calibrations else [],
        "least_groups": LEAST_GROUPS,
        "bin_groups": BIN_GROUPS,
        "least_bins": LEAST_BINS,
    }


def _area_row(model: str, mean: Estimate, seeds: NDArray[np.float64]) -> list[str]:
    return [model, percent_estimate(mean, 2), points(spread(seeds)), ", ".join(f"{100 * area:.2f}" for area in seeds)]


def _calibration_row(model: str, of: "Calibration") -> list[str]:
    temperatures = ", ".join("–" if np.isnan(t) else f"{t:.2f}" for t in of.temperatures)
    return [model, temperatures, *(percent(e, 2) for e in (*of.errors, of.exact)), *map(number, of.losses)]


@dataclass(frozen=True)
class Discrimination:
    """AUC on the test part: of the positive classes, or the mean over each class against the rest."""

    seeds: dict[str, NDArray[np.float64]]  # model -> (S,)
    means: dict[str, Estimate]
    difference: Estimate  # winner minus baseline, paired
    n_groups: int  # of the smallest side


def discriminate(evaluation: Evaluation) -> Discrimination:
    """Return the AUC: without interval below LEAST_GROUPS on either side, with a one-sided bound where it is 1."""
    part, binary = evaluation.parts["test"], bool(evaluation.positive)
    sides = [part.positive] if binary else [part.labels == c for c in np.unique(part.labels)]
    of = {model: _areas(part, runs, binary) for model, runs in part.models.items()}
    strata = unit_classes(part.labels, part.groups)
    n_groups = min(np.unique(part.groups[side == kind]).size for side in sides for kind in (True, False))
    seeds = {model: of[model].values for model in MODELS}
    difference = area_difference(of["winner"], of["baseline"], strata)
    if n_groups < LEAST_GROUPS:
        means = {model: Estimate(of[model].mean(), None, None) for model in MODELS}
        return Discrimination(seeds, means, Estimate(difference.value, None, None), n_groups)
    n_pairs = n_groups * (1 if binary else len(sides))  # disjoint pairs of a positive and a negative group
    means = {model: jackknife_estimate(*of[model], strata=strata, n=n_pairs) for model in MODELS}
    return Discrimination(seeds, means, difference, n_groups)


def _areas(part: Part, runs: Runs, binary: bool) -> Scored:
    """Return the area of the positive classes, or the mean area of each class that occurs against the rest."""
    if binary:
        return score_areas(part.positive, runs.positive_score, part.groups)
    return mean_areas(part.labels, runs.probabilities, part.groups)


@dataclass(frozen=True)
class Calibration:
    """Probability of the predicted class on the test part, as stated and with the temperature fitted on val."""

    temperatures: NDArray[np.float64]  # (S,); NaN where val holds no error
    errors: list[float]  # ECE before, after; means over seeds
    exact: float  # ECE that chance alone would leave after the correction
    losses: list[float]  # log loss before, after
    curves: dict[str, NDArray[np.float64]]  # before, after: see `reliability_bars`


@lru_cache(maxsize=1)
def calibrated(results: Results) -> dict[str, Calibration]:
    return calibrate(results.evaluation, results.resampling("calibration", CHANCE_DRAWS))


def _n_bins(evaluation: Evaluation) -> int:
    return min(MOST_BINS, np.unique(evaluation.parts["test"].groups).size // BIN_GROUPS)


def calibrate(evaluation: Evaluation, resampling: Resampling) -> dict[str, Calibration]:
    """Return the calibration by model; empty if the test groups fill fewer than LEAST_BINS bins with BIN_GROUPS each.

    resampling: of outcomes under exact probabilities.
    """
    val, test, n_bins = evaluation.parts["val"], evaluation.parts["test"], _n_bins(evaluation)
    weights = 1 / own_group_sizes(test.groups)
    calibrations = {}
    for model in MODELS if n_bins >= LEAST_BINS else ():
        stated = test.models[model].probabilities  # (S, N, K)
        once = 1 / own_group_sizes(val.groups)
        fitted = calibration.fit_temperature(val.models[model].probabilities, val.labels, once)
        corrected = calibration.tempered(stated, np.where(np.isnan(fitted), 1.0, fitted)[:, None, None])
        right = test.models[model].predicted == test.labels
        tops = {"as stated": stated.max(axis=-1), "with temperature": corrected.max(axis=-1)}  # (S, N)
        errors = [
            [calibration.calibration_error(c, r, n_bins, weights) for c, r in zip(top, right, strict=True)]
            for top in tops.values()
        ]
        chance = [
            calibration.exact_error(confidence, test.groups, n_bins, resampling.draws, resampling.rng)
            for confidence in tops["with temperature"]
        ]
        losses = [
            log_loss(p, test.labels, floor=calibration.ROUNDING, weights=weights).mean() for p in (stated, corrected)
        ]
        calibrations[model] = Calibration(
            temperatures=fitted,
            errors=[float(np.mean(by_seed)) for by_seed in errors],
            exact=float(np.mean(chance)),
            losses=losses,
            curves={name: calibration.reliability_bars(top, right, test.groups, n_bins) for name, top in tops.items()},
        )
    return calibrations


def draw(results: Results) -> list[Picture]:
    """Draw the reliability of the winner before and after temperature scaling."""
    calibrations = calibrated(results)
    return [Picture("reliability", png(reliability(calibrations["winner"].curves)))] if calibrations else []


@styled
def reliability(curves: Mapping[str, NDArray[Any]]) -> Figure:
    """Draw accuracy over confidence. curves: title -> (bins, 4) of mean confidence, accuracy and its interval."""
    figure, axes = canvas(3.55, 1, 2)
    least = min(float(rows[:, [0, 2]].min()) for rows in curves.values())
    floor = math.floor(max(0.0, least - 0.02) * 20) / 20  # the corner where the bins of a good model crowd
    for axis, (title, rows) in zip(axes[0], curves.items(), strict=True):
        axis.plot([floor, 1], [floor, 1], color="black", lw=1, ls=":", label="perfectly calibrated")
        axis.errorbar(
            rows[:, 0], rows[:, 1], yerr=np.abs(rows[:, 1] - rows[:, 2:].T), color=BLUE, fmt="o", ms=5, lw=1.4,
            capsize=2.5, clip_on=False, label="bin, 95 % interval",
        )  # fmt: skip
        axis.set(title=title, xlabel="stated probability", ylabel="" if axis is axes[0, 1] else "share that is right")
        axis.set(xlim=(floor, 1), ylim=(floor, 1), aspect="equal")
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_formatter(percents)
            ticks.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


SECTION = Section(order=80, title="Probabilities", context=context, figures=draw)
