"""Paired tests, against scipy and hand-worked examples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from pipeline.statistics import significance


def test_mcnemar_equals_scipy() -> None:
    for b in range(12):
        for c in range(12):
            expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
            assert significance.mcnemar_exact(b, c) == pytest.approx(expected)


def test_mcnemar_equals_scipy_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    tables = [(0, 1), (1, 0), (0, 400), *rng.integers(0, 400, (500, 2)), *rng.integers(0, 12, (500, 2))]
    for b, c in tables:
        expected = binomtest(int(b), int(b + c), 0.5).pvalue if b + c else 1.0
        assert_allclose(significance.mcnemar_exact(int(b), int(c)), expected, rtol=1e-9)


def test_discordant_groups_count_once() -> None:
    groups = np.array(["a", "a", "a", "b", "c", "d"])
    first = np.array([True, True, False, True, False, True])
    second = np.array([False, False, True, False, True, True])
    assert significance.discordant(first, second, groups) == (2, 1)  # a by two images to one, b; c; d even


def test_holm_on_a_hand_worked_example() -> None:
    assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(significance.holm([0.5, 0.9]), [1.0, 1.0])


def test_median_p_keeps_its_level_under_dependence() -> None:
    assert significance.median_p([0.01, 0.02, 0.03, 0.5, 0.9]) == pytest.approx(0.05)
    assert significance.median_p([0.2]) == pytest.approx(0.2)
    rng = np.random.default_rng(0)
    shared = rng.random(4_000)[:, None]
    p = np.where(rng.random((4_000, 5)) < 0.7, shared, rng.random((4_000, 5)))
    assert np.mean([significance.median_p(row) <= 0.05 for row in p]) < 0.05
