"""Intervals of a rate, against scipy and their defining properties."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom, binomtest

from pipeline.statistics import intervals


def test_intervals_equal_scipy_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    tables = [(x, n) for n in (1, 2, 3) for x in range(n + 1)]
    tables += [(int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(1, 5_000, 1_000)]
    tables += [(x, n) for n in (10, 1_000) for x in (0, n)]
    for x, n in tables:
        test = binomtest(x, n)
        assert_allclose(intervals.clopper_pearson(x, n), test.proportion_ci(method="exact"), rtol=1e-8, atol=1e-12)


def test_clopper_pearson_ends_leave_the_agreed_tails() -> None:
    """The defining property, by the binomial distribution itself instead of the beta one."""
    rng = np.random.default_rng(1)
    n = np.concatenate([[1, 1, 2], rng.integers(1, 3_000, 997)])
    x = np.concatenate([[0, 1, 1], rng.binomial(n[3:], rng.choice([0, 0.01, 0.5, 0.99, 1], 997))])
    low, high = np.array([intervals.clopper_pearson(*table) for table in zip(x, n, strict=True)]).T
    assert_allclose(binom.sf(x - 1, n, low)[x > 0], 0.025, rtol=1e-6)
    assert_allclose(binom.cdf(x, n, high)[x < n], 0.025, rtol=1e-6)
    assert (low[x == 0] == 0).all()
    assert (high[x == n] == 1).all()


def test_intervals_of_a_mean_rate_lie_between_those_of_whole_counts() -> None:
    below, between, above = (intervals.clopper_pearson(x, 20) for x in (7, 7.4, 8))
    assert below[0] < between[0] < above[0]
    assert below[1] < between[1] < above[1]


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(x: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= x <= n"):
        intervals.clopper_pearson(x, n)


def test_the_sure_bound_is_the_one_sided_clopper_pearson_bound() -> None:
    assert binom.cdf(149, 150, intervals.sure_bound(150)) == pytest.approx(0.95)
