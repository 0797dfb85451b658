"""Groups as sampling units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pipeline.statistics import intervals
from pipeline.statistics.groups import effective_groups, group_means


def test_a_group_counts_once_however_many_copies_it_holds() -> None:
    right = np.array([[True, True, True, False, True], [False, False, False, True, True]])
    groups = np.array(["a", "a", "a", "b", "c"])
    assert_allclose(group_means(right, groups), [2 / 3, 2 / 3])
    assert_allclose(group_means(right, np.arange(5)), right.mean(axis=1))
    assert group_means(np.ones((1, 5)), groups).tolist() == [1.0]
    assert effective_groups(groups) == pytest.approx(25 / 11)
    assert effective_groups(np.repeat(np.arange(7), 3)) == pytest.approx(7)


def test_only_rates_over_groups_keep_their_interval_with_unequal_groups() -> None:
    """Copies share their fate: 40 groups of 1 to 30 images, a true rate of .9."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 31, 40))
    covered = np.zeros(2)
    for _ in range(1_000):
        right = (rng.random(40) < 0.9)[groups][None]
        rates = group_means(right, groups)[0], right.mean()
        ends = [intervals.wilson(rate * 40, 40) for rate in rates]
        covered += [low <= 0.9 <= high for low, high in ends]
    assert covered[0] >= 930
    assert covered[1] <= 920
