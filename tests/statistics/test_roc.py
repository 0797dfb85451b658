"""Areas under the ROC curve, against scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from pipeline.statistics.bootstrap import percentile_interval
from pipeline.statistics.groups import group_weights
from pipeline.statistics.roc import area_under_roc, bootstrap_areas


def table(rng: np.random.Generator, n: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """At least one image of each kind; few digits make ties."""
    positive = np.concatenate([[True, False], rng.random(n - 2) < rng.uniform(0.1, 0.9)])
    return positive, np.round(rng.normal(positive * rng.uniform(0, 4), 1), digits)


def test_areas_equal_scikit_learn_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    for i in range(1_000):
        positive, score = table(rng, 2 if i < 10 else int(rng.integers(2, 80)), i % 3)
        assert area_under_roc(positive, score) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_ends_of_the_scale() -> None:
    positive = np.array([True, True, False])
    assert area_under_roc(positive, np.array([0.8, 0.9, 0.1])) == 1
    assert area_under_roc(positive, np.array([0.1, 0.2, 0.9])) == 0
    assert area_under_roc(positive, np.full(3, 0.5)) == 0.5


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_resampled_areas_equal_scikit_learn_with_weights(digits: int) -> None:
    rng = np.random.default_rng(digits)
    for _ in range(8):
        positive, score = table(rng, 60, digits)
        second = np.round(rng.random(60), digits)
        groups = np.array([f"{kind}{member}" for kind, member in zip(positive, rng.integers(0, 15, 60), strict=True)])
        areas = bootstrap_areas([(positive, score), (positive, second)], positive * 1, groups, 9, rng_of(digits))
        weights = np.concatenate(list(group_weights(positive * 1, groups, 9, rng_of(digits))), axis=1)
        _, group = np.unique(groups, return_inverse=True)
        for draw in range(9):
            for column, values in enumerate((score, second)):
                expected = roc_auc_score(positive, values, sample_weight=weights[group, draw])
                assert areas[draw, column] == pytest.approx(expected, abs=1e-12)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_spread_of_resampled_areas_is_that_of_hanley_and_mcneil() -> None:
    """Exponential scores, for which their variance holds exactly; groups of one image."""
    rng = np.random.default_rng(3)
    positive = np.arange(600) < 200
    area, q1, q2 = 0.8, 0.8 / 1.2, 2 * 0.8**2 / 1.8
    expected = np.sqrt((area * (1 - area) + 199 * (q1 - area**2) + 399 * (q2 - area**2)) / (200 * 400))
    spreads = []
    for _ in range(10):
        score = rng.exponential(np.where(positive, area / (1 - area), 1.0))
        drawn = bootstrap_areas([(positive, score)], positive * 1, np.arange(600), 500, rng)[:, 0]
        low, high = percentile_interval(drawn)
        assert low < area_under_roc(positive, score) < high
        spreads.append(drawn.std())
    assert np.mean(spreads) == pytest.approx(expected, rel=0.05)


def test_groups_are_resampled_whole() -> None:
    """Ten copies of every image: the spread stays that of the originals."""
    rng = np.random.default_rng(4)
    positive, score = table(rng, 80, 6)
    once = bootstrap_areas([(positive, score)], positive * 1, np.arange(80), 2_000, rng_of(1))
    copies = np.repeat(positive, 10), np.repeat(score, 10)
    ten = bootstrap_areas([copies], copies[0] * 1, np.repeat(np.arange(80), 10), 2_000, rng_of(1))
    assert_allclose(ten, once, atol=1e-12)
