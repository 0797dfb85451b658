"""Scores on the validation part, by hand."""

import numpy as np
import pytest

from pipeline.training.validation import Validation, mean_log_loss


def test_log_loss_by_hand() -> None:
    assert mean_log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(0.490415, abs=1e-6)


def test_positive_classes_are_taken_together() -> None:
    confusion = np.array([[6, 1, 1], [1, 2, 3], [0, 2, 4]])  # rows are the truth
    nothing = np.zeros(0)
    assert Validation(nothing, nothing, np.array([False, True, True])).rates(confusion) == (11 / 12, 6 / 8)
    assert Validation(nothing, nothing, np.array([False, False, False])).rates(confusion) == (None, None)
