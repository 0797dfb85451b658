"""The threshold, against all thresholds there are."""

import numpy as np
import pytest

from pipeline.statistics.threshold import choose_threshold


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
