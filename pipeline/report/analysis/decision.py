"""The decision positive or not: what a threshold does on the test part, and what that means in a screening."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.statistics import screening
from pipeline.statistics.bootstrap import group_means
from pipeline.statistics.roc import area_under_roc
from pipeline.statistics.screening import Operation, ScreeningEstimate
from pipeline.statistics.units import own_group_sizes

COUNTED = ((True, True), (True, False), (False, False), (False, True))  # called, positive: TP, FP, TN, FN


@dataclass(frozen=True)
class Decision:
    """One model on the test part, at one threshold per seed; rates over groups."""

    thresholds: list[float]
    sensitivity: NDArray[np.float64]  # (S,)
    specificity: NDArray[np.float64]  # (S,)
    auc: NDArray[np.float64]  # (S,)
    counts: NDArray[np.int64]  # (S, 4) images, as COUNTED
    operation: Operation  # means over seeds
    estimate: ScreeningEstimate


def decide(
    evaluation: Evaluation, model: str, *, prevalence_per_100k: float, n_screened: float, at: float | None = None
) -> Decision:
    """Apply thresholds to the test part. at: threshold of every seed; None: the one that each seed froze on val."""
    part = evaluation.parts["test"]
    frozen = [run.threshold for run in evaluation.runs(model)]
    thresholds = np.array(frozen if at is None else [at] * len(frozen), dtype=float)
    score = part.models[model].positive_score
    called = score >= thresholds[:, None]  # (S, N)
    sensitivity, specificity = rates(part, called)
    counts = np.stack([(called == c)[:, part.positive == p].sum(axis=1) for c, p in COUNTED], axis=1)
    auc = np.array([area_under_roc(part.positive, row, part.groups) for row in score])
    operation = operate(part, sensitivity, specificity)
    estimate = screening.estimate_screening(operation, prevalence_per_100k, n_screened)
    return Decision(thresholds.tolist(), sensitivity, specificity, auc, counts, operation, estimate)


def rates(part: Part, called: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sensitivity and specificity over groups, (S,) each. called: (S, N) positive."""
    sensitivity = group_means(called[:, part.positive], part.groups[part.positive])
    return sensitivity, group_means(~called[:, ~part.positive], part.groups[~part.positive])


def operate(part: Part, sensitivity: NDArray[Any], specificity: NDArray[Any]) -> Operation:
    """Return the mean over seeds with the numbers of groups."""
    n_diseased, n_healthy = (np.unique(part.groups[side]).size for side in (part.positive, ~part.positive))
    return Operation(float(sensitivity.mean()), float(specificity.mean()), n_diseased, n_healthy)


def operating_curves(part: Part, model: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return sensitivity and specificity of each seed at every threshold, from no image called positive to all."""
    curves, weights = [], np.empty(len(part.groups))
    for kind in (part.positive, ~part.positive):
        weights[kind] = 1 / own_group_sizes(part.groups[kind])
    for score in part.models[model].positive_score:
        order = np.argsort(-score, kind="stable")
        last = np.append(np.diff(score[order]) != 0, True)  # ties move together
        hit, alarmed = (np.cumsum((weights * kind)[order]) for kind in (part.positive, ~part.positive))
        sensitivity = np.append(0, hit[last] / hit[-1])
        specificity = np.append(1, 1 - alarmed[last] / alarmed[-1])
        curves.append((sensitivity, specificity))
    return curves
