"""Scores on the validation part, by hand."""

import numpy as np

from pipeline.training.validation import Validation


def test_positive_classes_are_taken_together() -> None:
    confusion = np.array([[6, 1, 1], [1, 2, 3], [0, 2, 4]])  # rows are the truth
    nothing = np.zeros(0)
    assert Validation(nothing, nothing, np.array([False, True, True])).rates(confusion) == (11 / 12, 6 / 8)
    assert Validation(nothing, nothing, np.array([False, False, False])).rates(confusion) == (None, None)
