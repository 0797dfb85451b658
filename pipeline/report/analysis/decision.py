"""The decision positive or not: what a threshold does on the test part, and what that means in a screening."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.statistics import screening
from pipeline.statistics.intervals import group_means
from pipeline.statistics.jackknife import score_rate, score_variance
from pipeline.statistics.roc import areas_under_roc
from pipeline.statistics.screening import Operation, ScreeningEstimate
from pipeline.statistics.units import own_group_sizes


@dataclass(frozen=True)
class Decision:
    """One model on the test part, at one threshold per seed; rates over groups."""

    thresholds: list[float]
    sensitivity: NDArray[np.float64]  # (S,)
    specificity: NDArray[np.float64]  # (S,)
    auc: NDArray[np.float64]  # (S,)
    counts: NDArray[np.float64]  # (S, 4) groups: TP, FP, TN, FN
    operation: Operation  # means over seeds
    estimate: ScreeningEstimate


def decide(
    evaluation: Evaluation,
    model: str,
    *,
    prevalence_per_100k: float,
    n_screened: float,
    at: float | None = None,
    run: int | None = None,
) -> Decision:
    """Apply thresholds to the test part.

    at: threshold of every seed; None: the one that each seed froze on val. run: index of a retraining whose weights
    alone decide, so that intervals hold for other groups only; None: all, for other groups and other seeds.
    """
    part = evaluation.parts["test"]
    runs = slice(None) if run is None else slice(run, run + 1)
    frozen = [retrained.threshold for retrained in evaluation.runs(model)[runs]]
    thresholds = np.array(frozen if at is None else [at] * len(frozen), dtype=float)
    score = part.models[model].positive_score[runs]
    called = score >= thresholds[:, None]  # (S, N)
    sensitivity, specificity = rates(part, called)
    operation = operate(part, called)
    tp, tn = sensitivity * operation.n_diseased, specificity * operation.n_healthy
    counts = np.stack([tp, operation.n_healthy - tn, tn, operation.n_diseased - tp], axis=1)
    auc = areas_under_roc(part.positive, score, part.groups)
    estimate = screening.estimate_screening(operation, prevalence_per_100k, n_screened)
    return Decision(thresholds.tolist(), sensitivity, specificity, auc, counts, operation, estimate)


def rates(part: Part, called: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sensitivity and specificity over groups, (S,) each. called: (S, N) positive."""
    sensitivity = group_means(called[:, part.positive], part.groups[part.positive])
    return sensitivity, group_means(~called[:, ~part.positive], part.groups[~part.positive])


def operate(part: Part, called: NDArray[np.bool_]) -> Operation:
    """Return the mean rates over seeds with their variances and the numbers of groups. called: (S, N) positive."""
    diseased, healthy = (
        score_rate(right[:, side], part.groups[side])
        for right, side in ((called, part.positive), (~called, ~part.positive))
    )
    return Operation(
        sensitivity=diseased.mean(),
        specificity=healthy.mean(),
        n_diseased=len(diseased.left_out),
        n_healthy=len(healthy.left_out),
        variances=(score_variance(diseased), score_variance(healthy)),
    )


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
