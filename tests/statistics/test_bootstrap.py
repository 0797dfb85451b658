"""Groups as sampling units, and the bootstrap over them, against the exact distribution where one is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom
from sklearn.metrics import f1_score

from pipeline.statistics import bootstrap, intervals
from pipeline.statistics.bootstrap import effective_groups, group_means
from pipeline.statistics.scores import class_scores, confusion_matrix, scores
from pipeline.statistics.units import unit_weights


def test_bootstrap_of_single_image_groups_has_the_binomial_spread() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    predicted = np.where(np.arange(400) % 10 == 0, 1 - labels, labels)[None]
    draws = bootstrap.bootstrap_confusions(labels, predicted, np.arange(400), 2, 4_000, rng)
    assert draws.shape == (4_000, 1, 2, 2)
    assert (draws.sum(axis=-1) == 200).all()  # stratified: each draw has as many of each class
    accuracy = scores(draws)["accuracy"][:, 0]
    assert accuracy.mean() == pytest.approx(0.9, abs=1e-3)
    assert accuracy.std() == pytest.approx(np.sqrt(0.9 * 0.1 / 400), rel=0.05)


def test_bootstrap_resamples_groups_not_images() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    groups = np.arange(400) // 4
    predicted = np.where(groups % 10 == 0, 1 - labels, labels)[None]
    draws = bootstrap.bootstrap_confusions(labels, predicted, groups, 2, 4_000, rng)
    assert scores(draws)["accuracy"].std() == pytest.approx(np.sqrt(0.9 * 0.1 / 100), rel=0.05)


def test_bootstrap_draws_equal_resampled_rows() -> None:
    """One group per class: every draw is the sample, for any group sizes."""
    labels, groups = np.array([0, 0, 0, 1, 1]), np.array(["a", "a", "a", "b", "b"])
    predicted = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 1]])
    draws = bootstrap.bootstrap_confusions(labels, predicted, groups, 2, 7, np.random.default_rng(0))
    expected = confusion_matrix(labels, predicted, 2, unit_weights(labels, groups))
    assert_allclose(draws, np.broadcast_to(expected, (7, 2, 2, 2)))


def test_a_group_counts_once_in_each_class() -> None:
    labels, groups = np.array([0, 0, 0, 1, 1, 0]), np.array(["a", "a", "b", "b", "b", "c"])
    assert_allclose(unit_weights(labels, groups), [0.5, 0.5, 1, 0.5, 0.5, 1])


def test_recalls_of_two_classes_are_sensitivity_and_specificity() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 300), rng.integers(0, 60, 300)
    called = np.where(rng.random((5, 300)) < 0.8, labels, 1 - labels)
    recalls = class_scores(confusion_matrix(labels, called, 2, unit_weights(labels, groups)))["recall"]
    for c in (0, 1):
        assert_allclose(recalls[:, c], group_means(called[:, labels == c] == c, groups[labels == c]))


def test_bootstrap_intervals_equal_the_exact_ones_of_resampled_counts() -> None:
    """Single-image groups of one class: the hits of a draw are binomial, so its quantiles are known."""
    rng = np.random.default_rng(0)
    edges = [(0, 1), (1, 1), (0, 40), (40, 40), (1, 2)]
    tables = edges + [(int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(1, 120, 1_000 - len(edges))]
    draws, worst = 1_000, 5 * np.sqrt(0.025 * 0.975 / 1_000)  # five standard errors of a tail's share
    for x, n in tables:
        labels = np.zeros(n, dtype=int)
        predicted = (np.arange(n) >= x).astype(int)[None]  # class 1 is wrong
        counts = bootstrap.bootstrap_confusions(labels, predicted, np.arange(n), 2, draws, rng)[:, 0, 0, 0]
        low, high = bootstrap.percentile_interval(counts)
        assert binom.cdf(np.floor(low), n, x / n) > 0.025 - worst
        assert binom.cdf(np.ceil(low) - 1, n, x / n) < 0.025 + worst
        assert binom.cdf(np.ceil(high), n, x / n) > 0.975 - worst
        assert binom.cdf(np.floor(high) - 1, n, x / n) < 0.975 + worst


def test_bootstrap_interval_covers() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 60)
    big = np.repeat([0, 1, 2], 100_000)
    truth = f1_score(big, np.where(rng.random(big.size) < 0.8, big, 0), average="macro")
    covered = 0
    for _ in range(200):
        predicted = np.where(rng.random(180) < 0.8, labels, 0)[None]
        draws = bootstrap.bootstrap_confusions(labels, predicted, np.arange(180), 3, 400, rng)
        low, high = bootstrap.percentile_interval(scores(draws)["macro_f1"][:, 0])
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_a_group_counts_once_however_many_copies_it_holds() -> None:
    right = np.array([[True, True, True, False, True], [False, False, False, True, True]])
    groups = np.array(["a", "a", "a", "b", "c"])
    assert_allclose(group_means(right, groups), [2 / 3, 2 / 3])
    assert_allclose(group_means(right, np.arange(5)), right.mean(axis=1))
    assert group_means(np.ones((1, 5)), groups).tolist() == [1.0]
    assert effective_groups(groups) == pytest.approx(25 / 11)
    assert effective_groups(np.repeat(np.arange(7), 3)) == pytest.approx(7)


def test_only_rates_over_groups_keep_their_interval_with_unequal_groups() -> None:
    """Copies share their fate: 40 groups of 1 to 30 images, a true rate of .9."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 31, 40))
    covered = np.zeros(2)
    for _ in range(1_000):
        right = (rng.random(40) < 0.9)[groups][None]
        rates = group_means(right, groups)[0], right.mean()
        ends = [intervals.wilson(rate * 40, 40) for rate in rates]
        covered += [low <= 0.9 <= high for low, high in ends]
    assert covered[0] >= 930
    assert covered[1] <= 920
