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
from pipeline.statistics import bootstrap, calibration, intervals
from pipeline.statistics.bootstrap import effective_groups
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.roc import Task, area_under_roc, bootstrap_areas
from pipeline.statistics.scores import log_loss

LEAST_GROUPS = 10  # on either side of an AUC, for a bootstrap of it
BIN_GROUPS, LEAST_BINS, MOST_BINS = 20, 5, 10  # of a calibration curve
CHANCE_DRAWS = 200  # of outcomes under exact probabilities; only their mean is shown


def context(results: Results) -> dict[str, Any]:
    """Return AUC and calibration."""
    areas = discriminate(results.evaluation, results.resampling("auc"))
    calibrations = calibrated(results)
    return {
        "areas": [_area_row(model, areas.means[model], seeds) for model, seeds in areas.seeds.items()],
        "areas_of": ", ".join(results.evaluation.positive) or "each class",
        "difference": points_estimate(areas.difference, 2),
        "n_groups": areas.n_groups,
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


def discriminate(evaluation: Evaluation, resampling: Resampling) -> Discrimination:
    """Return the AUC: without interval below LEAST_GROUPS on either side, with a one-sided bound where it is 1."""
    part, binary = evaluation.parts["test"], bool(evaluation.positive)
    tasks = {model: _tasks(part, runs, binary) for model, runs in part.models.items()}
    seeds = {
        m: np.array([np.mean([area_under_roc(*task, part.groups) for task in run]) for run in tasks[m]]) for m in MODELS
    }
    n_groups = min(
        np.unique(part.groups[side == kind]).size for side, _ in tasks["winner"][0] for kind in (True, False)
    )
    gap = float(seeds["winner"].mean() - seeds["baseline"].mean())
    if n_groups < LEAST_GROUPS:
        means = {model: Estimate(float(seeds[model].mean()), None, None) for model in MODELS}
        return Discrimination(seeds, means, Estimate(gap, None, None), n_groups)
    flat = [task for model in MODELS for run in tasks[model] for task in run]
    areas = bootstrap_areas(flat, part.labels, part.groups, resampling.draws, resampling.rng)
    halves = np.split(areas, [sum(map(len, tasks["winner"]))], axis=1)
    drawn = {model: half.mean(axis=1) for model, half in zip(MODELS, halves, strict=True)}
    means = {model: _area(seeds[model], drawn[model], n_groups if binary else None) for model in MODELS}
    gaps = drawn["winner"] - drawn["baseline"]
    ends = (None, None) if gaps.min() == gaps.max() else bootstrap.percentile_interval(gaps)  # nothing to resample
    return Discrimination(seeds, means, Estimate(gap, *ends), n_groups)


def _tasks(part: Part, runs: Runs, binary: bool) -> list[list[Task]]:
    """Return per seed the task of the positive classes, or one task per class that occurs."""
    if binary:
        return [[(part.positive, score)] for score in runs.positive_score]
    return [[(part.labels == c, p[:, c]) for c in np.unique(part.labels)] for p in runs.probabilities]


def _area(seeds: NDArray[np.float64], drawn: NDArray[np.float64], n: int | None) -> Estimate:
    """Return the mean area. n disjoint pairs of a positive and a negative group are independent: the bound of n/n."""
    if (seeds == 1).all():
        return Estimate(1.0, intervals.sure_bound(n) if n else None, None)
    return Estimate(float(seeds.mean()), *bootstrap.percentile_interval(drawn))


@dataclass(frozen=True)
class Calibration:
    """Probability of the predicted class on the test part, as stated and with the temperature fitted on val."""

    temperatures: NDArray[np.float64]  # (S,); NaN where val holds no error
    errors: list[float]  # ECE before, after; means over seeds
    exact: float  # ECE that chance alone would leave after the correction
    losses: list[float]  # log loss before, after
    curves: dict[str, NDArray[np.float64]]  # before, after: see `_curve`


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
    calibrations = {}
    for model in MODELS if n_bins >= LEAST_BINS else ():
        stated = test.models[model].probabilities  # (S, N, K)
        fitted = calibration.fit_temperature(val.models[model].probabilities, val.labels)
        corrected = calibration.tempered(stated, np.where(np.isnan(fitted), 1.0, fitted)[:, None, None])
        right = test.models[model].predicted == test.labels
        tops = {"as stated": stated.max(axis=-1), "with temperature": corrected.max(axis=-1)}  # (S, N)
        errors = [
            [calibration.calibration_error(c, r, n_bins) for c, r in zip(top, right, strict=True)]
            for top in tops.values()
        ]
        chance = [
            calibration.exact_error(confidence, test.groups, n_bins, resampling.draws, resampling.rng)
            for confidence in tops["with temperature"]
        ]
        losses = [log_loss(p, test.labels, floor=calibration.ROUNDING).mean() for p in (stated, corrected)]
        calibrations[model] = Calibration(
            temperatures=fitted,
            errors=[float(np.mean(by_seed)) for by_seed in errors],
            exact=float(np.mean(chance)),
            losses=losses,
            curves={name: _curve(top, right, test.groups, n_bins) for name, top in tops.items()},
        )
    return calibrations


def _curve(top: NDArray[Any], right: NDArray[Any], groups: NDArray[Any], n_bins: int) -> NDArray[np.float64]:
    """Return mean confidence, accuracy and its Wilson ends of each bin, (bins, 4), all seeds in the same bins.

    A bin counts as many effective groups as its share of the images, however many seeds put images there.
    """
    rows, n = calibration.reliability(top.ravel(), right.ravel(), n_bins)
    n_groups = n / n.sum() * effective_groups(groups)
    ends = [intervals.wilson(accuracy * m, m) for accuracy, m in zip(rows[:, 1], n_groups, strict=True)]
    return np.concatenate([rows, np.array(ends)], axis=1)


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
