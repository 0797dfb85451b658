"""What a threshold would mean in a screened population: expected errors and predictive values, with intervals.

Every interval follows from those of sensitivity and specificity, which are independent: they come from other units.
"""

import bisect
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipeline.statistics.intervals import CONFIDENCE, Estimate, clopper_pearson
from pipeline.statistics.jackknife import Variance, share_estimate


@dataclass(frozen=True)
class Operation:
    """Results of a fixed threshold on a sample. Rates are means over groups, n counts these groups."""

    sensitivity: float
    specificity: float
    n_diseased: int
    n_healthy: int
    variances: tuple[Variance, Variance] | None = None  # of the rates; None: of n single decisions under one seed

    def rates(self) -> tuple[Estimate, Estimate]:
        """Return sensitivity and specificity with their intervals."""
        rates, sizes = (self.sensitivity, self.specificity), (self.n_diseased, self.n_healthy)
        single = [Variance(p * (1 - p) / max(n - 1, 1), max(n - 1, 1)) for p, n in zip(rates, sizes, strict=True)]
        first, second = map(share_estimate, rates, self.variances or single, sizes)
        return first, second


@dataclass(frozen=True)
class ScreeningEstimate:
    """Expected results of an operation at an assumed prevalence. Counts are persons; rates are in [0, 1]."""

    n_diseased: float
    n_healthy: float
    sensitivity: Estimate
    specificity: Estimate
    false_positives: Estimate
    false_negatives: Estimate
    ppv: Estimate
    npv: Estimate


def negatives_to_claim(n_false_positives: float, n_healthy_screened: float) -> int:
    """Return how many independent negatives, all called negative, support a claim of at most n_false_positives."""
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-n_false_positives / n_healthy_screened)))


def alarmed_by_any(alarmed: Estimate, n_persons: float, n_slices: int) -> Estimate:
    """Return how many healthy persons are alarmed if any of n independent slices alarms: N (1 - (1 - f)^n).

    alarmed: of n_persons with one slice each. Slices that depend on each other alarm fewer, at the least `alarmed`.
    """
    ends = (None if x is None else n_persons * (1 - (1 - x / n_persons) ** n_slices) for x in astuple(alarmed))
    return Estimate(*ends)


def likelihood_ratios(operation: Operation) -> tuple[Estimate, Estimate]:
    """Return LR+ = Se / (1 - Sp) and LR- = (1 - Se) / Sp."""
    positive, negative = evidence(operation)
    value, low, high = (None if x is None else 1 / x for x in astuple(negative))
    return positive, Estimate(value, high, low)


def evidence(operation: Operation) -> tuple[Estimate, Estimate]:
    """Return Se / (1 - Sp) and Sp / (1 - Se): how much a call multiplies the odds of what it claims."""
    sensitivity, specificity = operation.rates()
    return _odds(sensitivity, specificity), _odds(specificity, sensitivity)


def estimate_screening(
    operation: Operation, prevalence_per_100k: float, n_screened: float = 100_000
) -> ScreeningEstimate:
    """Estimate errors and predictive values if the operation decided on n_screened persons.

    Raises ValueError unless 0 < prevalence_per_100k < 100,000.
    """
    if not 0 < prevalence_per_100k < 100_000:
        raise ValueError(f"0 < prevalence_per_100k < 100,000 must hold, but got {prevalence_per_100k}")
    share = prevalence_per_100k / 100_000
    diseased, healthy = n_screened * share, n_screened * (1 - share)
    sensitivity, specificity = operation.rates()
    positive, negative = evidence(operation)
    return ScreeningEstimate(
        n_diseased=diseased,
        n_healthy=healthy,
        sensitivity=sensitivity,
        specificity=specificity,
        false_positives=_missed(specificity, healthy),
        false_negatives=_missed(sensitivity, diseased),
        ppv=_predictive(positive, share / (1 - share)),
        npv=_predictive(negative, (1 - share) / share),
    )


def _missed(rate: Estimate, persons: float) -> Estimate:
    """Return how many of `persons` to expect decided wrongly. rate: of right decisions."""
    value, high, low = (None if end is None else persons * (1 - end) for end in astuple(rate))
    return Estimate(None if rate.value in (0, 1) else value, low, high)


def _predictive(odds: Estimate, prior: float) -> Estimate:
    """Return the share of calls that are right, at these odds before the call."""
    value, low, high = (None if ratio is None else ratio * prior / (1 + ratio * prior) for ratio in astuple(odds))
    return Estimate(value, low, high)


def _odds(hit: Estimate, reject: Estimate) -> Estimate:
    """Return hit / (1 - reject) with an interval from those of both rates, on the log scale.

    Where a rate is exactly 0 or 1, the one bound follows from the least (or most) favourable ends of both.
    Source: Donner and Zou 2012, method of variance estimates recovery.
    """
    se, least_se, most_se = (hit.value or 0.0), (hit.low or 0.0), (1.0 if hit.high is None else hit.high)
    sp, least_sp, most_sp = (reject.value or 0.0), (reject.low or 0.0), (1.0 if reject.high is None else reject.high)
    if (se, sp) in {(0, 1), (1, 0)}:  # all got the same answer: the sample has no information on this value
        return Estimate(None, None, None)
    if sp == 1:
        return Estimate(None, least_se / (1 - least_sp), None)
    if se == 0:
        return Estimate(None, None, most_se / (1 - most_sp))
    down = np.hypot(np.log(se / least_se), np.log((1 - least_sp) / (1 - sp)))
    up = np.hypot(np.log(most_se / se), np.log((1 - sp) / (1 - most_sp)))
    ratio = se / (1 - sp)
    return Estimate(ratio, float(ratio * np.exp(-down)), float(ratio * np.exp(up)))


def units_to_bound(rate: float, within: float) -> int:
    """Return the least n of independent units whose exact interval of `rate` ends within `within` on both sides.

    At a rate of 0 its upper bound is one-sided, as elsewhere on a page: log(.05) / log(1 - within).
    """
    if rate == 0:
        return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-within)))

    def is_enough(n: int) -> bool:
        low, high = clopper_pearson(rate * n, n)
        return max(rate - low, high - rate) <= within

    enough = 1
    while not is_enough(enough):
        enough *= 2
    return bisect.bisect_left(range(enough), True, lo=enough // 2, key=is_enough)


def score_threshold(probability: NDArray[np.float64], trained_at: float, prevalence: float) -> NDArray[np.float64]:
    """Return the score of a model trained at one share of positives that means `probability` at another prevalence.

    Only the odds before the image change. Holds if the model is calibrated. Source: Elkan 2001, theorem 2.
    """
    logit = special.logit(probability) + special.logit(trained_at) - special.logit(prevalence)
    return np.asarray(special.expit(logit))


def net_benefit(sensitivity: Estimate, specificity: Estimate, prevalence: float, threshold: float) -> Estimate:
    """Return Se π - (1 - Sp)(1 - π) t / (1 - t): true positives less weighted false positives, per person.

    t is the probability of disease from which a person would want to be called: one found is worth (1 - t) / t alarms.
    The interval joins those of the rates (MOVER). Sources: Vickers and Elkin 2006; Zou and Donner 2008.
    """
    weights = prevalence, (1 - prevalence) * threshold / (1 - threshold)
    rates = [astuple(sensitivity), astuple(specificity)]
    value = sum(weight * rate for weight, (rate, *_) in zip(weights, rates, strict=True)) - weights[1]
    ends = []
    for side in (1, 2):
        # an end that is missing is that of a rate of exactly 0 or 1
        gaps = [0 if rate[side] is None else rate[side] - rate[0] for rate in rates]
        ends.append(float(np.hypot(*np.multiply(weights, gaps))))
    return Estimate(value, value - ends[0], value + ends[1])
