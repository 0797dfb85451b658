"""Areas under the ROC curve, against scikit-learn, and the threshold, against all thresholds there are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from pipeline.statistics.bootstrap import group_weights, percentile_interval
from pipeline.statistics.roc import area_under_roc, bootstrap_areas, choose_threshold
from pipeline.statistics.units import unit_weights


def table(rng: np.random.Generator, n: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """At least one image of each kind; few digits make ties."""
    positive = np.concatenate([[True, False], rng.random(n - 2) < rng.uniform(0.1, 0.9)])
    return positive, np.round(rng.normal(positive * rng.uniform(0, 4), 1), digits)


def test_areas_equal_scikit_learn_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    for i in range(1_000):
        positive, score = table(rng, 2 if i < 10 else int(rng.integers(2, 80)), i % 3)
        groups = rng.integers(0, 30, positive.size)
        expected = roc_auc_score(positive, score, sample_weight=unit_weights(positive * 1, groups))
        assert area_under_roc(positive, score, groups) == pytest.approx(expected, abs=1e-11)
        alone = area_under_roc(positive, score, np.arange(positive.size))
        assert alone == pytest.approx(roc_auc_score(positive, score), abs=1e-11)


def test_ends_of_the_scale() -> None:
    positive = np.array([True, True, False])
    assert area_under_roc(positive, np.array([0.8, 0.9, 0.1]), np.arange(3)) == 1
    assert area_under_roc(positive, np.array([0.1, 0.2, 0.9]), np.arange(3)) == 0
    assert area_under_roc(positive, np.full(3, 0.5), np.arange(3)) == 0.5


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
                once = unit_weights(positive * 1, groups) * weights[group, draw]
                expected = roc_auc_score(positive, values, sample_weight=once)
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
        assert low < area_under_roc(positive, score, np.arange(600)) < high
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


def test_threshold_lies_in_the_middle_of_a_clean_gap() -> None:
    assert choose_threshold([False, False, True, True], [0.1, 0.2, 0.6, 0.9], range(4), 0.95) == pytest.approx(0.4)


def test_threshold_gives_up_only_the_sensitivity_it_may() -> None:
    score = np.concatenate([np.linspace(0.5, 0.99, 19), [0.05], np.linspace(0.0, 0.2, 20)])
    positive = np.arange(40) < 20
    threshold = choose_threshold(positive, score, range(40), 0.95)
    assert threshold == pytest.approx(0.35)  # 19 of 20 is 0.95: the outlier at 0.05 is let go, the gap is 0.2..0.5
    assert choose_threshold(positive, score, range(40), 0.96) < 0.05


def test_copies_of_one_picture_count_once_for_the_threshold() -> None:
    positive, score = np.arange(22) >= 2, np.array([0.1, 0.6] + [0.9] * 18 + [0.5, 0.2])
    groups = [0, 1] + [2] * 18 + [3, 4]  # 18 of the 20 images with a tumour are one picture
    assert choose_threshold(positive, score, groups, 0.6) == pytest.approx(0.15)
    assert choose_threshold(positive, score, range(22), 0.6) == pytest.approx(0.75)


@pytest.mark.parametrize("seed", range(200))
def test_no_other_threshold_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = np.concatenate([[True, False], rng.random(rng.integers(0, 40)) < 0.5])
    score = np.round(rng.normal(positive, 0.8), rng.integers(0, 3))  # rounding makes ties
    groups = rng.integers(0, rng.integers(2, 30), positive.size)
    wanted = rng.uniform(0.5, 1)

    def rate(right: np.ndarray, kind: np.ndarray) -> float:  # mean over groups
        return np.mean([right[kind & (groups == group)].mean() for group in np.unique(groups[kind])])

    def rates(threshold: float) -> tuple[float, float]:
        return round(rate(score >= threshold, positive), 9), round(rate(score < threshold, ~positive), 9)

    sensitivity, specificity = rates(choose_threshold(positive, score, groups, wanted))
    assert sensitivity >= wanted - 1e-9
    others = [rates(t) for t in score if rates(t)[0] >= wanted - 1e-9]
    assert (specificity, sensitivity) == max((sp, se) for se, sp in others)


def test_threshold_between_neighbouring_floats_still_separates() -> None:
    high = np.nextafter(0.5, 1)
    assert choose_threshold([False, True], [0.5, high], [0, 1], 1.0) == high


@pytest.mark.parametrize(
    ("positive", "score", "wanted", "reason"),
    [
        ([True, True], [0.1, 0.2], 0.95, "both classes"),
        ([True, False], [0.1, np.nan], 0.95, "finite"),
        ([True, False], [0.1, 0.2], 1.5, "min_sensitivity <= 1"),
    ],
)
def test_threshold_guards(positive: list[bool], score: list[float], wanted: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        choose_threshold(positive, score, range(2), wanted)
