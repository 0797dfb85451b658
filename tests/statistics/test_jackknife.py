"""Jackknife over units, against formulas and a second count of the other units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pipeline.statistics.folds import fold_difference, fold_estimate, training_variance
from pipeline.statistics.intervals import Estimate, sure_bound
from pipeline.statistics.jackknife import (
    TAILS,
    Variance,
    area_difference,
    jackknife_difference,
    jackknife_estimate,
    left_out_confusions,
    score_rate,
    seed_variance,
    unit_variance,
)
from pipeline.statistics.scores import class_scores, confusion_matrix
from pipeline.statistics.units import unit_weights

NO_SPREAD = Variance(0.0, np.inf)


def test_confusions_without_a_unit_equal_those_counted_again() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 90), rng.integers(0, 40, 90)
    predicted = rng.integers(0, 3, (2, 90))
    left_out = np.concatenate(list(left_out_confusions(labels, predicted, groups, 3)))
    whole = confusion_matrix(labels, predicted, 3, unit_weights(labels, groups))
    for i, group in enumerate(np.unique(groups)):
        kept = groups != group
        rest = confusion_matrix(labels[kept], predicted[:, kept], 3, unit_weights(labels[kept], groups[kept]))
        scale = whole.sum(axis=-1, keepdims=True) / rest.sum(axis=-1, keepdims=True)
        assert_allclose(left_out[i], rest * scale)
        assert_allclose(class_scores(left_out[i])["recall"], class_scores(rest)["recall"])


def test_the_variance_of_a_rate_is_that_of_its_mean() -> None:
    right = np.random.default_rng(0).random((1, 50)) < 0.8
    of = score_rate(right, np.arange(50))
    p = right.mean()
    assert unit_variance(of.left_out[:, 0]).value == pytest.approx(p * (1 - p) / 49)


def test_strata_hold_no_variance_between_classes() -> None:
    left_out = np.repeat([0.2, 0.9], 10)
    assert unit_variance(left_out, np.repeat([0, 1], 10)).value == pytest.approx(0)
    assert unit_variance(left_out).value > 1


def test_a_stratum_of_one_unit_joins_the_smallest_other() -> None:
    left_out = np.array([0.5, 0.1, 0.3, 0.7, 0.7, 0.7])
    joined = unit_variance(left_out, np.array([0, 1, 1, 2, 2, 2])).value
    assert joined == pytest.approx(unit_variance(left_out[:3]).value)


def test_seeds_that_only_rank_units_differently_add_nothing() -> None:
    rng = np.random.default_rng(0)
    shift = np.array([-0.1, -0.05, 0, 0.05, 0.1])
    alike, own = [], []
    for _ in range(300):
        p = np.full((5, 1), 0.8)
        alike.append(seed_variance(score_rate(rng.random((5, 100)) < p, np.arange(100))).value)
        own.append(seed_variance(score_rate(rng.random((5, 100)) < p + shift[:, None], np.arange(100))).value)
    assert np.mean(own) == pytest.approx(shift.var(ddof=1) / 5, rel=0.15)
    assert np.mean(alike) < 0.2 * np.mean(own)


def test_without_an_error_there_is_a_bound_and_with_one_no_shorter_interval() -> None:
    of = score_rate(np.ones((3, 40), dtype=bool), np.arange(40))
    assert jackknife_estimate(*of) == Estimate(1.0, sure_bound(40), None)
    right = np.ones((5, 4_000), dtype=bool)
    right[0, 0] = False  # one image of a hundred, under one seed
    almost = jackknife_estimate(*score_rate(right, np.arange(4_000) // 100))
    assert almost.low is not None
    assert almost.low <= sure_bound(40)


def test_a_difference_is_paired_over_units() -> None:
    rng = np.random.default_rng(0)
    first = rng.random((1, 200)) < 0.7
    second = first.copy()
    second[:, :6] = ~second[:, :6]  # all else alike
    of = [score_rate(right, np.arange(200)) for right in (first, second)]
    paired = jackknife_difference(*of)
    assert paired.value == pytest.approx(first.mean() - second.mean())
    alone = jackknife_estimate(*of[0])
    assert None not in (paired.low, paired.high, alone.low, alone.high)
    assert (paired.high or 0) - (paired.low or 0) < (alone.high or 0) - (alone.low or 0)
    assert jackknife_difference(of[0], of[0]) == Estimate(0.0, -(1 - sure_bound(200)), 1 - sure_bound(200))


def test_folds_enlarge_the_variance_between_units_for_the_training_data() -> None:
    right = np.random.default_rng(0).random((2, 1, 100)) < 0.8
    of = [score_rate(one, np.arange(100)) for one in right]
    estimate = fold_difference(*of, (NO_SPREAD, NO_SPREAD), 5)
    plain = jackknife_difference(*of)
    assert None not in (estimate.high, plain.high, plain.value)
    ratio = ((estimate.high or 0) - (plain.value or 0)) / ((plain.high or 0) - (plain.value or 0))
    assert ratio == pytest.approx(np.sqrt(1.25), rel=0.01)


def test_heavy_tails_cost_degrees_of_freedom() -> None:
    even, some, few = (np.arange(100.0) % 2, *((np.arange(100) < n).astype(float) for n in (8, 2)))
    assert unit_variance(even, heavy_tails=True) == unit_variance(even)
    kurtosis = (0.08 * 0.92**4 + 0.92 * 0.08**4) / (0.08 * 0.92) ** 2
    tails = unit_variance(some, heavy_tails=True)
    assert tails.value == unit_variance(some).value
    assert tails.df == pytest.approx(200 / (kurtosis - 1))
    assert unit_variance(few, heavy_tails=True).df == TAILS
    assert unit_variance(few[:8], heavy_tails=True).df == 7


def test_the_difference_of_areas_reaches_as_far_as_their_own_intervals_imply() -> None:
    groups = np.arange(60)
    first, second = np.ones((1, 60), dtype=bool), np.arange(60)[None] >= 6
    of = [score_rate(right, groups) for right in (first, second)]
    plain, skewed = (differ(*of) for differ in (jackknife_difference, area_difference))
    alone = jackknife_estimate(*of[1])  # the first has no spread: what remains is the interval of the second
    assert skewed.value == plain.value == pytest.approx(0.1)
    assert skewed.high == pytest.approx(1 - (alone.low or 0))
    assert skewed.low == plain.low  # which the symmetric interval exceeds


def test_seeds_of_one_fold_show_the_spread_of_a_recipe_trained_once_per_fold() -> None:
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.5, 1, (1_000, 1))  # of seeds, which differ far more than units
    of_fold = score_rate(rng.random((1_000, 400)) < rates, np.arange(400))
    seeds = training_variance(of_fold, 5)
    assert seeds.value == pytest.approx(rates.var() / 5, rel=0.05)
    of = score_rate(rng.random((1, 2_000)) < 0.75, np.arange(2_000))
    wide, narrow = (fold_estimate(of, spread, 5) for spread in (seeds, NO_SPREAD))
    assert (wide.high or 0) - (wide.low or 0) > 3 * ((narrow.high or 0) - (narrow.low or 0))
    assert training_variance(score_rate(rng.random((1, 9)) < 0.5, np.arange(9)), 5) == NO_SPREAD
