import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as reference

from pipeline.statistics.scores import class_scores, confusion_matrix, scores
from pipeline.statistics.threshold import choose_threshold


@pytest.mark.parametrize("seed", range(20))
def test_scores_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 7))
    truth = rng.integers(0, n_classes, rng.integers(1, 60))
    guess = np.where(rng.random(truth.size) < 0.6, truth, rng.integers(0, n_classes, truth.size))
    labels = list(range(n_classes))
    confusion = confusion_matrix(truth, guess, n_classes)
    assert_array_equal(confusion, reference.confusion_matrix(truth, guess, labels=labels))
    expected = reference.precision_recall_fscore_support(truth, guess, labels=labels, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert_allclose(class_scores(confusion)[name], values)
    found = scores(confusion)
    assert_allclose(found["accuracy"], reference.accuracy_score(truth, guess))
    macro = reference.precision_recall_fscore_support(truth, guess, labels=labels, average="macro", zero_division=0)
    assert_allclose([found["macro_precision"], found["macro_recall"], found["macro_f1"]], macro[:3])


def test_scores_of_several_runs_equal_those_of_each() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 3, 40), rng.integers(0, 3, (4, 40))
    together = confusion_matrix(truth, guess, 3)
    assert together.shape == (4, 3, 3)
    for run in range(4):
        alone = confusion_matrix(truth, guess[run], 3)
        assert_array_equal(together[run], alone)
        for name, value in scores(alone).items():
            assert scores(together)[name][run] == value


def test_a_class_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 <= predicted < 2"):
        confusion_matrix([0, 1], [0, 2], 2)
    with pytest.raises(ValueError, match="0 <= labels < 2"):
        confusion_matrix([0, -1], [0, 1], 2)


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
