import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom, binomtest
from sklearn.metrics import f1_score

from pipeline.statistics import bootstrap, intervals, screening, significance
from pipeline.statistics.groups import effective_groups, group_means
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import confusion_matrix, scores
from pipeline.statistics.screening import Operation

TUTORIAL = Operation(sensitivity=147 / 150, specificity=148 / 150, n_diseased=150, n_healthy=150)
PREVALENCE = 21.97


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.low, estimate.high


def test_golden_numbers() -> None:
    result = screening.estimate_screening(TUTORIAL, PREVALENCE)
    assert (result.n_diseased, result.n_healthy) == pytest.approx((21.97, 99_978.03))
    assert ends(result.sensitivity) == pytest.approx((0.9429, 0.9932), abs=5e-5)
    assert ends(result.specificity) == pytest.approx((0.9527, 0.9963), abs=5e-5)
    assert result.false_positives.value == pytest.approx(1_333, abs=0.5)
    assert ends(result.false_positives_wilson) == pytest.approx((366, 4_730), abs=0.5)
    assert ends(result.false_positives) == pytest.approx((162, 4_732), abs=0.5)
    assert result.false_negatives.value == pytest.approx(0.44, abs=5e-3)
    assert ends(result.false_negatives) == pytest.approx((0.15, 1.26), abs=5e-3)
    assert result.ppv.value == pytest.approx(0.0159, abs=5e-5)
    assert ends(result.ppv) == pytest.approx((0.0041, 0.0601), abs=5e-5)


@pytest.mark.parametrize(("n", "at_most"), [(150, 1_977), (405, 737)])
def test_no_false_positive_in_the_sample_is_not_none(n: int, at_most: int) -> None:
    result = screening.estimate_screening(Operation(147 / 150, 1.0, 150, n), PREVALENCE)
    assert result.false_positives.value is None
    assert result.false_positives.low is None
    assert result.false_positives.high == pytest.approx(at_most, abs=0.5)
    assert result.false_positives_wilson == result.false_positives
    assert (result.ppv.value, result.ppv.high) == (None, None)
    assert result.ppv.low is not None
    assert 0 < result.ppv.low < 1
    assert result.specificity == Estimate(1.0, pytest.approx(1 - at_most / 99_978.03, abs=1e-5), None)


def test_no_missed_patient_in_the_sample_is_not_none() -> None:
    result = screening.estimate_screening(Operation(1.0, 148 / 150, 150, 150), PREVALENCE)
    assert result.false_negatives == Estimate(None, None, pytest.approx(21.97 * (1 - 0.05 ** (1 / 150))))
    assert (result.npv.value, result.npv.high) == (None, None)
    assert result.npv.low is not None
    assert result.npv.low > 0.999
    assert result.ppv.value is not None  # the logit of the PPV needs only a false positive


@pytest.mark.parametrize("operation", [Operation(a, b, 1, 1) for a in (0.0, 1.0) for b in (0.0, 1.0)])
def test_a_single_patient_never_yields_certainty(operation: Operation) -> None:
    result = screening.estimate_screening(operation, PREVALENCE)
    for name in ("false_positives", "false_negatives", "ppv", "npv"):
        assert getattr(result, name).value is None, name


def test_negatives_to_claim() -> None:
    assert screening.negatives_to_claim(100, 99_978.03) == 2_994
    assert screening.negatives_to_claim(22, 99_978.03) == 13_613


@pytest.mark.parametrize("prevalence", [0, 100_000])
def test_prevalence_guard(prevalence: float) -> None:
    with pytest.raises(ValueError, match="prevalence_per_100k"):
        screening.estimate_screening(TUTORIAL, prevalence)


def test_intervals_equal_scipy_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    tables = [(x, n) for n in (1, 2, 3) for x in range(n + 1)]
    tables += [(int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(1, 5_000, 1_000)]
    tables += [(x, n) for n in (10, 1_000) for x in (0, n)]
    for x, n in tables:
        test = binomtest(x, n)
        assert_allclose(intervals.wilson(x, n), test.proportion_ci(method="wilson"), rtol=1e-9, atol=1e-12)
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
    for interval in (intervals.wilson, intervals.clopper_pearson):
        below, between, above = interval(7, 20), interval(7.4, 20), interval(8, 20)
        assert below[0] < between[0] < above[0]
        assert below[1] < between[1] < above[1]


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(x: int, n: int) -> None:
    for interval in (intervals.wilson, intervals.clopper_pearson):
        with pytest.raises(ValueError, match="0 <= x <= n"):
            interval(x, n)


def test_the_sure_bound_is_the_one_sided_clopper_pearson_bound() -> None:
    assert binom.cdf(149, 150, intervals.sure_bound(150)) == pytest.approx(0.95)


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


def test_bootstrap_of_single_image_groups_has_the_binomial_spread() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    predicted = np.where(np.arange(400) % 10 == 0, 1 - labels, labels)[None]
    draws = bootstrap.bootstrap_confusions(labels, predicted, np.arange(400), 2, 4_000, rng)
    assert draws.shape == (4_000, 1, 2, 2)
    assert (draws.sum(axis=-1) == 200).all()  # stratified: each draw has as many of each class
    accuracy = scores(draws)["accuracy"][:, 0]
    assert accuracy.mean() == pytest.approx(0.9, abs=1e-3)
    assert accuracy.std() == pytest.approx(np.sqrt(0.9 * 0.1 / 400), rel=0.05)


def test_bootstrap_resamples_groups_not_images() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    groups = np.arange(400) // 4
    predicted = np.where(groups % 10 == 0, 1 - labels, labels)[None]
    draws = bootstrap.bootstrap_confusions(labels, predicted, groups, 2, 4_000, rng)
    assert scores(draws)["accuracy"].std() == pytest.approx(np.sqrt(0.9 * 0.1 / 100), rel=0.05)


def test_bootstrap_draws_equal_resampled_rows() -> None:
    """One group per class: every draw is the sample, whatever the group sizes."""
    labels, groups = np.array([0, 0, 0, 1, 1]), np.array(["a", "a", "a", "b", "b"])
    predicted = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 1]])
    draws = bootstrap.bootstrap_confusions(labels, predicted, groups, 2, 7, np.random.default_rng(0))
    assert_array_equal(draws, np.broadcast_to(confusion_matrix(labels, predicted, 2), (7, 2, 2, 2)))


def test_bootstrap_intervals_equal_the_exact_ones_of_resampled_counts() -> None:
    """Single-image groups of one class: the hits of a draw are binomial, so its quantiles are known."""
    rng = np.random.default_rng(0)
    edges = [(0, 1), (1, 1), (0, 40), (40, 40), (1, 2)]
    tables = edges + [(int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(1, 120, 1_000 - len(edges))]
    draws, worst = 1_000, 5 * np.sqrt(0.025 * 0.975 / 1_000)  # five standard errors of a tail's share
    for x, n in tables:
        labels = np.zeros(n, dtype=int)
        predicted = (np.arange(n) >= x).astype(int)[None]  # class 1 is wrong
        counts = bootstrap.bootstrap_confusions(labels, predicted, np.arange(n), 2, draws, rng)[:, 0, 0, 0]
        low, high = bootstrap.percentile_interval(counts)
        assert binom.cdf(np.floor(low), n, x / n) > 0.025 - worst
        assert binom.cdf(np.ceil(low) - 1, n, x / n) < 0.025 + worst
        assert binom.cdf(np.ceil(high), n, x / n) > 0.975 - worst
        assert binom.cdf(np.floor(high) - 1, n, x / n) < 0.975 + worst


def test_bootstrap_interval_covers() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 60)
    big = np.repeat([0, 1, 2], 100_000)
    truth = f1_score(big, np.where(rng.random(big.size) < 0.8, big, 0), average="macro")
    covered = 0
    for _ in range(200):
        predicted = np.where(rng.random(180) < 0.8, labels, 0)[None]
        draws = bootstrap.bootstrap_confusions(labels, predicted, np.arange(180), 3, 400, rng)
        low, high = bootstrap.percentile_interval(scores(draws)["macro_f1"][:, 0])
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


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
