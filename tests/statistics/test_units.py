"""Groups as sampling units."""

import numpy as np
from numpy.testing import assert_allclose

from pipeline.statistics.intervals import group_means
from pipeline.statistics.scores import class_scores, confusion_matrix
from pipeline.statistics.units import unit_weights


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


def test_a_group_counts_once_however_many_copies_it_holds() -> None:
    right = np.array([[True, True, True, False, True], [False, False, False, True, True]])
    groups = np.array(["a", "a", "a", "b", "c"])
    assert_allclose(group_means(right, groups), [2 / 3, 2 / 3])
    assert_allclose(group_means(right, np.arange(5)), right.mean(axis=1))
    assert group_means(np.ones((1, 5)), groups).tolist() == [1.0]
