"""Calibration of stated probabilities: reliability curve, expected error, and temperature scaling.

Throughout, confidence: (N,) in [0, 1], right: (N,) bool, weights: (N,) what an image counts (1 / size of its group, so
that each group counts once); None: each image once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipeline.statistics.jackknife import share_estimate, unit_variance
from pipeline.statistics.units import own_group_sizes

ROUNDING = 5e-7  # predictions.csv holds six decimals, so a probability of 0 is at most this
CLEAR = 1e-9  # groups; fewer are rounding
COLDEST, HOTTEST = 0.05, 20.0


def reliability(
    confidence: NDArray[Any], right: NDArray[Any], n_bins: int, weights: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean confidence and accuracy of the bins that hold images, (bins, 2), and the weight of each bin."""
    weights = np.ones(confidence.size) if weights is None else weights
    index = bin_of(confidence, n_bins, weights)
    n = np.asarray(np.bincount(index, weights, n_bins), dtype=np.float64)
    is_held = n > 0
    sums = [np.bincount(index, weights * values, n_bins)[is_held] for values in (confidence, right)]
    return np.stack(sums, axis=1) / n[is_held, None], n[is_held]


def reliability_bars(
    confidence: NDArray[Any], right: NDArray[Any], groups: NDArray[Any], n_bins: int
) -> NDArray[np.float64]:
    """Return mean confidence, accuracy and its 95 % interval of each bin, (bins, 4), all seeds in the same bins.

    confidence, right: (S, N). The interval holds for other groups: the accuracy without each group, whose images may be
    in several bins.
    """
    n_seeds = len(confidence)
    weights = np.tile(1 / own_group_sizes(groups), n_seeds) / n_seeds
    rows, n = reliability(confidence.ravel(), right.ravel(), n_bins, weights)
    index = np.unique(bin_of(confidence.ravel(), n_bins, weights), return_inverse=True)[1]
    names, group = np.unique(groups, return_inverse=True)
    cell = index * names.size + np.tile(group, n_seeds)
    shape = (len(rows), names.size)
    held, hits = (
        np.bincount(cell, values, len(rows) * names.size).reshape(shape)
        for values in (weights, weights * right.ravel())
    )
    ends = []
    for accuracy, m, part, hit in zip(rows[:, 1], n, held, hits, strict=True):
        rest = m - part
        left_out = np.divide(accuracy * m - hit, rest, out=np.full(names.size, accuracy), where=rest > CLEAR)
        of = share_estimate(float(np.round(accuracy, 12)), unit_variance(left_out), m)
        ends.append((of.low or 0.0, 1.0 if of.high is None else of.high))
    return np.concatenate([rows, np.array(ends)], axis=1)


def calibration_error(
    confidence: NDArray[Any], right: NDArray[Any], n_bins: int, weights: NDArray[Any] | None = None
) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy of a bin.

    Source: Naeini, Cooper and Hauskrecht 2015; equal mass: Nguyen and O'Connor 2015.
    """
    rows, n = reliability(confidence, right, n_bins, weights)
    return float(np.average(np.abs(rows[:, 0] - rows[:, 1]), weights=n))


def exact_error(
    confidence: NDArray[Any], groups: NDArray[Any], n_bins: int, draws: int, rng: np.random.Generator
) -> float:
    """Return the mean calibration error of a model with exactly right confidence: what chance leaves in this sample.

    The images of a group are all right or all wrong together, and each group counts once.
    """
    names, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / sizes[group]
    index = bin_of(confidence, n_bins, weights)
    surplus = ((rng.random((draws, names.size))[:, group] < confidence) - confidence) * weights  # (draws, N)
    gaps = np.stack([surplus[:, index == b].sum(axis=1) for b in range(n_bins)])
    return float(np.abs(gaps).sum(axis=0).mean() / names.size)


def bin_of(confidence: NDArray[Any], n_bins: int, weights: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bin of each confidence, (N,); bins of equal weight, split at the quantiles.

    Equal values share a bin, so some bins may be empty. Bins of equal width would put most of a good model's images
    into the last one.
    """
    order = np.argsort(confidence, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    # a quantile's rounding would push an image over the edge now and then
    places = np.searchsorted(before, np.arange(1, n_bins) * before[-1] / n_bins + 1e-9, side="right") - 1
    return np.searchsorted(confidence[order[places]], confidence, side="left").astype(np.int64)


def tempered(probabilities: NDArray[Any], temperature: NDArray[Any] | float) -> NDArray[np.float64]:
    """Return softmax(log p / T) over the last axis, which keeps the order of the classes. T broadcasts to (..., 1)."""
    logits = np.log(np.maximum(probabilities, ROUNDING))
    return np.asarray(special.softmax(logits / temperature, axis=-1), dtype=np.float64)


def fit_temperature(
    probabilities: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the temperatures of least log loss, (S,). probabilities: (S, N, K), labels: (N,).

    NaN where every image is right: then colder is always better, and there is no minimum. Source: Guo et al. 2017.
    """
    logits = np.log(np.maximum(probabilities, ROUNDING))
    truth = np.average(logits[:, np.arange(labels.size), labels], axis=1, weights=weights)
    low = np.full(len(logits), np.log(1 / HOTTEST))
    high = np.full(len(logits), np.log(1 / COLDEST))
    for _ in range(40):  # the loss is convex in 1/T, so its slope changes sign once
        middle = (low + high) / 2
        scaled = np.exp(middle)[:, None, None] * logits
        expected = (special.softmax(scaled, axis=-1) * logits).sum(axis=-1)
        slope = np.average(expected, axis=1, weights=weights) - truth
        low, high = np.where(slope < 0, middle, low), np.where(slope < 0, high, middle)
    is_right = (probabilities.argmax(axis=-1) == labels).all(axis=1)
    return np.where(is_right, np.nan, np.exp(-(low + high) / 2))
