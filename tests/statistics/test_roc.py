"""Areas under the ROC curve, against scikit-learn, and the threshold, against all thresholds there are."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.statistics.jackknife import unit_variance
from pipeline.statistics.roc import area_under_roc, choose_threshold, score_areas
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


def test_areas_without_a_group_equal_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    for digits in (0, 1, 6):
        positive, score = table(rng, 60, digits)
        groups = rng.integers(0, 25, 60)  # some hold both kinds
        of = score_areas(positive, score[None], groups)
        for i, group in enumerate(np.unique(groups)):
            kept = groups != group
            weights = unit_weights(positive[kept] * 1, groups[kept])
            expected = roc_auc_score(positive[kept], score[kept], sample_weight=weights)
            assert of.left_out[i, 0] == pytest.approx(expected, abs=1e-9)


def test_the_variance_of_an_area_is_that_of_delong() -> None:
    rng = np.random.default_rng(4)
    positive, score = table(rng, 120, 6)
    of = score_areas(positive, score[None], np.arange(120))
    beaten = (score[positive][:, None] > score[~positive]).astype(float)
    expected = sum(beaten.mean(axis=axis).var(ddof=1) / beaten.shape[1 - axis] for axis in (0, 1))
    assert unit_variance(of.left_out[:, 0], positive).value == pytest.approx(expected)


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
