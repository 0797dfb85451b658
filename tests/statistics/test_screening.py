"""The screening estimate, against the published numbers of the tutorial."""

import pytest

from pipeline.statistics import screening
from pipeline.statistics.intervals import Estimate
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
