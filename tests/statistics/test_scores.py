"""Scores, against scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as reference

from pipeline.statistics.scores import class_scores, confusion_matrix, log_loss, scores


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
    macros = scores(confusion)
    assert_allclose(macros["accuracy"], reference.accuracy_score(truth, guess))
    macro = reference.precision_recall_fscore_support(truth, guess, labels=labels, average="macro", zero_division=0)
    assert_allclose([macros["macro_precision"], macros["macro_recall"], macros["macro_f1"]], macro[:3])


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


def test_log_loss_by_hand() -> None:
    stated = np.array([[0.5, 0.5], [0.25, 0.75]])
    labels = np.array([0, 1])
    assert log_loss(stated, labels) == pytest.approx(0.490415, abs=1e-6)
    assert log_loss(stated.astype(np.float32), labels).dtype == np.float64
    assert_allclose(log_loss(np.stack([stated, stated[::-1]]), labels), [0.490415, 1.039721], atol=1e-6)
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1]), floor=1e-3) == pytest.approx(np.log(1e3))
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))
