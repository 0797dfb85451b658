"""Further scores of classifiers that the field asks for, over units, each with what the jackknife needs.

Source of the choice: Maier-Hein, Reinke et al. 2024, Metrics reloaded. Throughout, a unit (a group) counts once in each
class that it has; labels: (N,) int, groups: (N,) any, S seeds. `Scored` is what the intervals of `jackknife` need.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pipeline.statistics.intervals import Estimate, clopper_pearson
from pipeline.statistics.jackknife import Scored, left_out_confusions
from pipeline.statistics.scores import confusion_matrix
from pipeline.statistics.units import unit_weights

BLOCK = 200  # units whose curves are in memory together
Array = NDArray[Any]


def unit_mean(values: Array, labels: Array, groups: Array, shares: ArrayLike | None = None) -> Scored:
    """Return the mean over units of a value per image. values: (S, N).

    shares: (K,) weight of each class in the mean; else its number of units. A class without the unit keeps its share.
    """
    weights = unit_weights(labels, groups)
    names, unit = np.unique(groups, return_inverse=True)
    n_classes = int(labels.max()) + 1
    shape = (names.size, n_classes)
    cell, n_cells = unit * n_classes + labels, names.size * n_classes
    own_size = np.bincount(cell, weights, n_cells).reshape(shape)
    sizes = own_size.sum(axis=0)  # (K,)
    share = sizes / sizes.sum() if shares is None else np.asarray(shares, dtype=float)[:n_classes]
    rest = sizes - own_size  # (U, K)
    own = np.stack([np.bincount(cell, weights * row, n_cells).reshape(shape) for row in values.astype(float)])
    total = own.sum(axis=1)  # (S, K)
    mean = np.divide(total, sizes, out=np.zeros_like(total), where=sizes > 0)
    unchanged = np.repeat(mean[:, None], names.size, axis=1)
    without = np.divide(total[:, None] - own, rest, out=unchanged, where=rest > 0.5)  # (S, U, K)
    return Scored(mean @ share, (without @ share).T)


def confusion_score(
    labels: Array, predicted: Array, groups: Array, n_classes: int, score: Callable[[Array], Array]
) -> Scored:
    """Return a score of the confusion matrices. predicted: (S, N); score: maps (..., K, K) to (...)."""
    whole = confusion_matrix(labels, predicted, n_classes, unit_weights(labels, groups))
    blocks = left_out_confusions(labels, predicted, groups, n_classes)
    return Scored(score(whole), np.concatenate([score(block) for block in blocks]))


def matthews(confusion: Array) -> NDArray[np.float64]:
    """Return Matthews' correlation of truth and prediction, in [-1, 1], (...); 0 where either is constant.

    confusion: (..., K, K). Source: Gorodkin 2004, eq. 8.
    """
    truth, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)  # (..., K)
    n = truth.sum(axis=-1)
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    covariance = n * hits - (truth * predicted).sum(axis=-1)
    spread = (n**2 - (truth**2).sum(axis=-1)) * (n**2 - (predicted**2).sum(axis=-1))
    return np.asarray(np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance, float), where=spread > 0))


def squared_errors(probabilities: Array, labels: Array) -> NDArray[np.float64]:
    """Return the squared distance of the probabilities from the truth, in [0, 2], (..., N).

    probabilities: (..., N, K). The mean is the Brier score. Source: Brier 1950.
    """
    truth = np.eye(probabilities.shape[-1])[labels]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=-1))


def error_costs(cost_of_miss: float, share: float) -> tuple[float, float]:
    """Return the costs of a missed positive and of a false alarm, in units of the best decision without looking.

    That decision calls all negative or all positive, whichever costs less where `share` is positive; a false alarm
    costs 1. The normalised expected cost is then share * first * (1 - Se) + (1 - share) * second * (1 - Sp).
    Source: Ferrer 2022, arXiv:2209.05355.
    """
    constant = min(cost_of_miss * share, 1 - share)
    return cost_of_miss / constant, 1 / constant


def average_precision(positive: Array, score: Array, groups: Array, share: float) -> float:
    """Return the area under the precision-recall curve as average precision: steps, no straight lines between points.

    positive: (N,) bool; score: (N,) float. share: of positives, to which precision is re-weighted.
    """
    weights = unit_weights(positive.astype(np.int64), groups)
    return float(_Curve(positive, score).area(weights[None], share)[0])


def score_precision(positive: Array, scores: Array, groups: Array) -> Scored:
    """Return the average precision of each run at the units' share of positives, and without each. scores: (S, N)."""
    weights = unit_weights(positive.astype(np.int64), groups)
    share = float(weights[positive].sum() / weights.sum())
    names, unit = np.unique(groups, return_inverse=True)
    blocks = [np.arange(at, min(at + BLOCK, names.size)) for at in range(0, names.size, BLOCK)]
    curves = [_Curve(positive, score) for score in scores]
    values = [curve.area(weights[None], share) for curve in curves]
    left_out = [[curve.area(weights * (unit != block[:, None]), share) for block in blocks] for curve in curves]
    return Scored(np.concatenate(values), np.stack([np.concatenate(of) for of in left_out], axis=1))


class _Curve:
    """The precision-recall curve of one score under many weights of its images."""

    def __init__(self, positive: Array, score: Array) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.positive = positive[self.order].astype(float)
        self.last = np.append(np.diff(score[self.order]) != 0, True)  # ties move together

    def area(self, weights: Array, share: float) -> NDArray[np.float64]:
        """Return the average precision, (M,). weights: (M, N)."""
        ordered = weights[:, self.order]
        hit, alarmed = ((np.cumsum(ordered * side, axis=1)) for side in (self.positive, 1 - self.positive))
        hit, alarmed = (side[:, self.last] / np.maximum(side[:, -1:], 1e-12) for side in (hit, alarmed))
        precision = _precision(hit, alarmed, share)
        return np.asarray((np.diff(hit, axis=1, prepend=0) * precision).sum(axis=1))


def _precision(hit: Array, alarmed: Array, share: float) -> NDArray[np.float64]:
    called = share * hit + (1 - share) * alarmed
    return np.divide(share * hit, called, out=np.zeros_like(called), where=called > 0)


def least_precision(positive: Array, score: Array, groups: Array, share: float) -> float:
    """Return a 95 % lower bound of the average precision at a share of positives far below that of the sample.

    At each threshold the false positive rate takes the upper end of its Clopper-Pearson interval, n the negative units:
    where the sample shows no false positive, precision at a small share is unknown, not 1.
    """
    curve = _Curve(positive, score)
    weights = unit_weights(positive.astype(np.int64), groups)[curve.order]
    is_positive = curve.positive == 1
    hit = np.cumsum(weights * is_positive)[curve.last] / weights[is_positive].sum()
    n = float(weights[~is_positive].sum())
    alarms = np.minimum(np.cumsum(weights * ~is_positive)[curve.last], n)
    highest = {x: clopper_pearson(x, n)[1] for x in np.unique(alarms)}
    precision = _precision(hit, np.array([highest[x] for x in alarms]), share)
    return float(np.diff(hit, prepend=0) @ precision)


def class_calibration_error(stated: Array, right: Array, weights: Array, n_bins: int) -> NDArray[np.float64]:
    """Return the mean gap between stated probability and share of a class over bins of equal weight, (M,).

    stated: (N,) probability of the class; right: (M, N) bool, is the image of the class, in M samples; weights: (N,).
    Source: Kull et al. 2019, classwise ECE.
    """
    order = np.argsort(stated, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    edges = stated[order][np.searchsorted(reached, np.arange(1, n_bins) / n_bins)]
    index = np.searchsorted(edges, stated, side="left")
    surplus = weights * (stated - right)
    gaps = np.stack([surplus[:, index == b].sum(axis=1) for b in range(n_bins)])
    return np.asarray(np.abs(gaps).sum(axis=0) / weights.sum())


def chance_outcomes(stated: Array, groups: Array, draws: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return outcomes under exactly right probabilities, (draws, N); the images of a unit share their fate."""
    names, unit = np.unique(groups, return_inverse=True)
    return np.asarray(rng.random((draws, names.size))[:, unit] < stated)


def shifted(probabilities: ArrayLike, share: float, prevalence: float) -> NDArray[np.float64]:
    """Return the probabilities of the positive class carried from a sample with `share` positives to a prevalence.

    The odds are multiplied by the ratio of prior odds (Bayes); right if the images of either kind are as in the sample.
    Source: Saerens, Latinne and Decaestecker 2002, eq. 4.
    """
    p = np.asarray(probabilities, dtype=float)
    odds = special.logit(prevalence) - special.logit(share)
    with np.errstate(divide="ignore"):
        return np.asarray(special.expit(special.logit(p) + odds))


def linear(estimate: Estimate, factor: float, offset: float = 0.0) -> Estimate:
    """Return factor * estimate + offset. factor: positive."""
    ends = (None if x is None else factor * x + offset for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(*ends)
