"""Labels in doubt: planted wrong labels come first, and what no model is sure of is not in doubt."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from pipeline.statistics.confident_learning import doubt_labels


def test_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    doubts = doubt_labels(labels, probabilities, np.ones(4))
    assert_allclose(doubts.margin, [0.8, -0.6, 0.4, 0.1])
    assert_array_equal(doubts.suggested, [1, 1, 0, 0])
    assert_array_equal(doubts.order, [1, 3, 2, 0])
    assert_array_equal(doubts.in_doubt, [False, True, False, False])  # 0.8 reaches the mean of class 1, 0.625


def test_copies_do_not_move_the_mean_of_a_class() -> None:
    labels = np.array([0, 1, 1, 1])
    probabilities = np.array([[0.36, 0.64], [0.2, 0.8], [0.5, 0.5], [0.5, 0.5]])  # the last two are one group
    assert not doubt_labels(labels, probabilities, np.array([1, 1, 0.5, 0.5])).in_doubt.any()  # mean of class 1: 0.65
    assert doubt_labels(labels, probabilities, np.ones(4)).in_doubt.tolist() == [True, False, False, False]


def test_planted_wrong_labels_come_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2_000)
    logits = rng.normal(0, 1, (2_000, 4))
    logits[np.arange(2_000), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.choice(2_000, 40, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 4
    doubts = doubt_labels(labels, probabilities, np.ones(2_000))
    assert np.isin(doubts.order[:100], wrong).sum() >= 38  # the top 5 %
    assert (doubts.suggested[wrong] == truth[wrong]).mean() > 0.9
    assert doubts.in_doubt[wrong].mean() > 0.6
    assert doubts.in_doubt[np.setdiff1d(np.arange(2_000), wrong)].mean() < 0.02


def test_a_class_without_images_is_never_confident() -> None:
    doubts = doubt_labels(np.array([0, 1]), np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]), np.ones(2))
    assert_array_equal(doubts.suggested, [2, 2])
    assert not doubts.in_doubt.any()
