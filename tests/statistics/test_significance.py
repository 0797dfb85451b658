"""Paired tests, against scipy and hand-worked examples."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats
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


def test_unit_differences_weigh_groups_equally() -> None:
    groups = np.array(["a", "a", "b"])
    first = np.array([[True, True, False], [True, False, False]])
    second = np.array([[False, True, True]])
    assert_allclose(significance.unit_differences(first, second, groups), [0.25, -1])


def test_sign_flip_equals_all_sign_patterns() -> None:
    values = np.array([0.2, 0.4, -0.2, 1.0, 0.6, 0.2, 0.0, 0.0])
    flips = np.array(list(itertools.product((-1, 1), repeat=len(values))))
    expected = np.mean(np.abs(flips @ values) >= abs(values.sum()) - 1e-9)
    result = significance.sign_flip(values, 200_000, np.random.default_rng(0))
    assert result.p == pytest.approx(expected, abs=0.004)
    assert result.difference.value == pytest.approx(values.mean())
    assert result.n_differing == 6


def test_models_that_never_differ() -> None:
    result = significance.sign_flip(np.zeros(50), 2_000, np.random.default_rng(0))
    assert (result.p, result.n_differing) == (1, 0)
    assert (result.difference.value, result.difference.low, result.difference.high) == (0, 0, 0)


def correctness(error: float, hardness: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return (5, N) of five seeds on units, most of which are always or never missed. hardness: (N,) uniform."""
    missed = stats.beta.ppf(hardness, 0.6 * error, 0.6 * (1 - error))
    return rng.random((5, len(hardness))) >= missed


def rejections(errors: tuple[float, float], n_sets: int) -> tuple[float, float]:
    """Return how often 269 units show a difference, and how often its interval holds the true one."""
    rng = np.random.default_rng(0)
    rejected, covered = [], []
    for _ in range(n_sets):
        shared, own = rng.random(269), rng.random(269)
        other = np.where(rng.random(269) < 0.6, shared, own)  # the models find the same units hard
        runs = [correctness(e, u, rng) for e, u in zip(errors, (shared, other), strict=True)]
        copies = np.repeat(np.arange(269), rng.integers(1, 4, 269))  # copies share their fate
        first, second = (run[:, copies] for run in runs)
        result = significance.sign_flip(significance.unit_differences(first, second, copies), 1_000, rng)
        rejected.append(result.p < significance.LEVEL)
        low, high = result.difference.low, result.difference.high
        assert low is not None
        assert high is not None
        assert rejected[-1] == (low > 0 or high < 0)
        covered.append(low <= errors[1] - errors[0] <= high)
    return float(np.mean(rejected)), float(np.mean(covered))


@pytest.mark.slow
def test_equal_models_differ_in_five_percent_of_samples() -> None:
    size, coverage = rejections((0.02, 0.02), 2_000)
    assert 0.03 <= size <= 0.065
    assert coverage >= 0.935


@pytest.mark.slow
def test_a_real_difference_is_seen() -> None:
    power, coverage = rejections((0.01, 0.032), 2_000)
    assert power >= 0.6
    assert coverage >= 0.935
