"""The screening estimate, against the published numbers of the tutorial."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit
from scipy.stats import binomtest

from pipeline.statistics import screening
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation

TUTORIAL = Operation(sensitivity=147 / 150, specificity=148 / 150, n_diseased=150, n_healthy=150)
PREVALENCE = 21.97


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.low, estimate.high


def test_golden_numbers() -> None:
    """Counts of the tutorial; ends by hand: logit .98 +- t (149) / sqrt(149 * .98 * .02)."""
    result = screening.estimate_screening(TUTORIAL, PREVALENCE)
    assert (result.n_diseased, result.n_healthy) == pytest.approx((21.97, 99_978.03))
    half = stats.t.ppf(0.975, 149) / np.sqrt(149 * 0.98 * 0.02)
    assert ends(result.sensitivity) == pytest.approx((expit(logit(0.98) - half), expit(logit(0.98) + half)))
    assert result.false_positives.value == pytest.approx(1_333, abs=0.5)
    low, high = ends(result.specificity)
    assert low is not None
    assert high is not None
    assert ends(result.false_positives) == pytest.approx((99_978.03 * (1 - high), 99_978.03 * (1 - low)))
    assert result.false_negatives.value == pytest.approx(0.44, abs=5e-3)
    assert result.ppv.value == pytest.approx(0.0159, abs=5e-5)
    assert ends(result.ppv) == pytest.approx((0.0041, 0.0601), abs=3e-3)  # Mercaldo 2007, normal quantile


def test_the_odds_are_those_of_the_delta_method_in_large_samples() -> None:
    big = Operation(0.9, 0.8, 40_000, 50_000)
    spread = 1.96 * np.sqrt(0.1 / (0.9 * 40_000) + 0.8 / (0.2 * 50_000))
    positive, _ = screening.likelihood_ratios(big)
    assert positive.value == pytest.approx(4.5)
    assert ends(positive) == pytest.approx((4.5 * np.exp(-spread), 4.5 * np.exp(spread)), rel=1e-3)


@pytest.mark.parametrize(("n", "at_most"), [(150, 1_977), (405, 737)])
def test_no_false_positive_in_the_sample_is_not_none(n: int, at_most: int) -> None:
    result = screening.estimate_screening(Operation(147 / 150, 1.0, 150, n), PREVALENCE)
    assert result.false_positives.value is None
    assert result.false_positives.low is None
    assert result.false_positives.high == pytest.approx(at_most, abs=0.5)
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


@pytest.mark.parametrize(("n_slices", "alarmed"), [(1, 7_732), (3, 21_448), (5, 33_124), (10, 55_274), (20, 79_989)])
def test_more_independent_slices_alarm_more_persons(n_slices: int, alarmed: int) -> None:
    result = screening.alarmed_by_any(Estimate(7_732, 2_677, None), 99_978.03, n_slices)
    assert result.value == pytest.approx(alarmed, abs=5)
    assert result.low is not None
    assert 2_677 <= result.low <= alarmed
    assert result.high is None


def test_likelihood_ratios() -> None:
    positive, negative = screening.likelihood_ratios(TUTORIAL)
    assert positive.value == pytest.approx(0.98 / (2 / 150))
    assert negative.value == pytest.approx(0.02 / (148 / 150))
    for ratio in (positive, negative):
        assert ratio.low is not None
        assert ratio.high is not None
        assert ratio.low < (ratio.value or 0) < ratio.high
    perfect, _ = screening.likelihood_ratios(Operation(0.98, 1.0, 150, 150))
    assert (perfect.value, perfect.high) == (None, None)
    assert (perfect.low or 0) > 1


@pytest.mark.parametrize("rate", [0.05, 0.1143, 0.5])
def test_units_to_bound_is_the_least_number(rate: float) -> None:
    n = screening.units_to_bound(rate, within=0.01)
    assert n == pytest.approx(rate * (1 - rate) * (1.96 / 0.01) ** 2, rel=0.2)  # normal approximation
    x = round(rate * n)
    interval = binomtest(x, n).proportion_ci(method="exact")
    assert max(x / n - interval.low, interval.high - x / n) == pytest.approx(0.01, rel=0.02)
    fewer = screening.clopper_pearson(rate * (n - 1), n - 1)
    assert max(rate - fewer[0], fewer[1] - rate) > 0.01


def test_units_to_bound_a_rate_of_which_the_sample_shows_none() -> None:
    assert screening.units_to_bound(0, within=0.01) == 299  # published: 0.95 = 1 - 0.99^n
    assert screening.units_to_bound(0, within=100 / 99_978.03) == 2_994


def test_net_benefit_is_that_of_the_counts() -> None:
    """Vickers and Elkin 2006: TP / n - FP / n x t / (1 - t), of 40 diseased and 160 healthy persons."""
    se, sp = Operation(34 / 40, 120 / 160, 40, 160).rates()
    for t in (0.01, 0.1, 0.2, 0.5):
        result = screening.net_benefit(se, sp, prevalence=0.2, threshold=t)
        assert result.value == pytest.approx(34 / 200 - 40 / 200 * t / (1 - t))
    everyone = screening.net_benefit(Estimate(1, None, None), Estimate(0, None, None), 0.2, 0.2)
    assert (everyone.value, everyone.low, everyone.high) == pytest.approx((0, 0, 0), abs=1e-15)
    no_one = screening.net_benefit(Estimate(0, None, None), Estimate(1, None, None), 0.2, 0.3)
    assert no_one.value == pytest.approx(0)


def test_the_interval_of_the_net_benefit_covers() -> None:
    """Of 47 diseased and 70 healthy units, the numbers of brain_mri."""
    rng, prevalence, threshold = np.random.default_rng(0), 21.97e-5, 0.002
    truth = screening.net_benefit(Estimate(0.93, 0, 1), Estimate(0.85, 0, 1), prevalence, threshold).value
    covered = []
    for _ in range(2_000):
        rates = rng.binomial(47, 0.93) / 47, rng.binomial(70, 0.85) / 70
        result = screening.net_benefit(*Operation(*rates, 47, 70).rates(), prevalence, threshold)
        covered.append((result.low or 0) <= (truth or 0) <= (result.high or 0))
    assert 0.935 <= np.mean(covered) <= 0.975


def test_a_score_means_less_where_the_disease_is_rare() -> None:
    """Bayes by hand: at equal shares a score of 0.5 is a likelihood ratio of 1, which leaves the prevalence."""
    rare = 21.97e-5
    assert screening.score_threshold(np.array([rare]), 0.5, rare) == pytest.approx([0.5])
    assert screening.score_threshold(np.array([0.3]), 0.4, 0.4) == pytest.approx([0.3])
    odds = 0.6 / 0.4 * (0.01 / 0.99) / (rare / (1 - rare))  # of a score that means 1 %
    assert screening.score_threshold(np.array([0.01]), 0.6, rare) == pytest.approx([odds / (1 + odds)])
