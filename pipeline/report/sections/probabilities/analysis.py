"""How good the stated probabilities are: AUC and calibration on the test part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.predictions import Part, Runs
from pipeline.report.analysis.scoring import Resampling
from pipeline.statistics import bootstrap, calibration, intervals
from pipeline.statistics.bootstrap import effective_groups
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.roc import Task, area_under_roc, bootstrap_areas
from pipeline.statistics.scores import log_loss

LEAST_GROUPS = 10  # on either side of an AUC, for a bootstrap of it
BIN_GROUPS, LEAST_BINS, MOST_BINS = 20, 5, 10  # of a calibration curve


@dataclass(frozen=True)
class Discrimination:
    """AUC on the test part: of the positive classes, or the mean over each class against the rest."""

    binary: bool
    seeds: dict[str, NDArray[np.float64]]  # model -> (S,)
    means: dict[str, Estimate]
    difference: Estimate  # winner minus baseline, paired
    n_groups: int  # of the smallest side


def discriminate(evaluation: Evaluation, resampling: Resampling) -> Discrimination:
    """Return the AUC: without interval below LEAST_GROUPS on either side, with a one-sided bound where it is 1."""
    part, binary = evaluation.parts["test"], bool(evaluation.positive)
    tasks = {model: _tasks(part, runs, binary) for model, runs in part.models.items()}
    seeds = {m: np.array([np.mean([area_under_roc(*task) for task in run]) for run in tasks[m]]) for m in MODELS}
    n_groups = min(
        np.unique(part.groups[side == kind]).size for side, _ in tasks["winner"][0] for kind in (True, False)
    )
    gap = float(seeds["winner"].mean() - seeds["baseline"].mean())
    if n_groups < LEAST_GROUPS:
        means = {model: Estimate(float(seeds[model].mean()), None, None) for model in MODELS}
        return Discrimination(binary, seeds, means, Estimate(gap, None, None), n_groups)
    flat = [task for model in MODELS for run in tasks[model] for task in run]
    areas = bootstrap_areas(flat, part.labels, part.groups, resampling.draws, resampling.rng)
    halves = np.split(areas, [sum(map(len, tasks["winner"]))], axis=1)
    drawn = {model: half.mean(axis=1) for model, half in zip(MODELS, halves, strict=True)}
    means = {model: _area(seeds[model], drawn[model], n_groups if binary else None) for model in MODELS}
    gaps = drawn["winner"] - drawn["baseline"]
    ends = (None, None) if gaps.min() == gaps.max() else bootstrap.percentile_interval(gaps)  # nothing to resample
    difference = Estimate(gap, *ends)
    return Discrimination(binary, seeds, means, difference, n_groups)


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

    n_bins: int
    temperatures: dict[str, NDArray[np.float64]]  # model -> (S,); NaN where val holds no error
    errors: dict[str, tuple[float, float]]  # model -> ECE before, after; means over seeds
    exact: dict[str, float]  # model -> ECE that chance alone would leave after the correction
    losses: dict[str, tuple[float, float]]  # model -> log loss before, after
    curves: dict[str, NDArray[np.float64]]  # of the winner, before and after: see `_curve`


def calibrate(evaluation: Evaluation, resampling: Resampling) -> Calibration | None:
    """Return the calibration; None if the test groups fill fewer than LEAST_BINS bins with BIN_GROUPS each.

    resampling: of outcomes under exact probabilities.
    """
    val, test = evaluation.parts["val"], evaluation.parts["test"]
    n_bins = min(MOST_BINS, np.unique(test.groups).size // BIN_GROUPS)
    if n_bins < LEAST_BINS:
        return None
    temperatures, errors, exact, losses = {}, {}, {}, {}
    curves = {}
    for model in MODELS:
        stated = test.models[model].probabilities  # (S, N, K)
        fitted = calibration.fit_temperature(val.models[model].probabilities, val.labels)
        corrected = calibration.tempered(stated, np.where(np.isnan(fitted), 1.0, fitted)[:, None, None])
        right = test.models[model].predicted == test.labels
        tops = {"as stated": stated.max(axis=-1), "with temperature": corrected.max(axis=-1)}  # (S, N)
        before, after = (
            float(np.mean([calibration.calibration_error(c, r, n_bins) for c, r in zip(top, right, strict=True)]))
            for top in tops.values()
        )
        chance = [
            calibration.exact_error(c, test.groups, n_bins, resampling.draws, resampling.rng)
            for c in tops["with temperature"]
        ]
        first, second = (
            float(log_loss(p, test.labels, floor=calibration.ROUNDING).mean()) for p in (stated, corrected)
        )
        temperatures[model], errors[model], losses[model] = fitted, (before, after), (first, second)
        exact[model] = float(np.mean(chance))
        if model == "winner":
            curves = {name: _curve(top, right, test.groups, n_bins) for name, top in tops.items()}
    return Calibration(n_bins, temperatures, errors, exact, losses, curves)


def _curve(top: NDArray[Any], right: NDArray[Any], groups: NDArray[Any], n_bins: int) -> NDArray[np.float64]:
    """Return mean confidence, accuracy and its Wilson ends of each bin, (bins, 4), all seeds in the same bins.

    A bin counts as many effective groups as its share of the images, however many seeds put images there.
    """
    rows, n = calibration.reliability(top.ravel(), right.ravel(), n_bins)
    n_groups = n / n.sum() * effective_groups(groups)
    ends = [intervals.wilson(accuracy * m, m) for accuracy, m in zip(rows[:, 1], n_groups, strict=True)]
    return np.concatenate([rows, np.array(ends)], axis=1)
