"""What a threshold would mean in a screened population: expected errors and predictive values, with intervals.

Every interval counts groups, as in `intervals`.
"""

import bisect
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipeline.statistics.intervals import CONFIDENCE, Estimate, Z, clopper_pearson, rate_estimate, sure_bound, wilson


@dataclass(frozen=True)
class Operation:
    """Results of a fixed threshold on a sample. Rates are means over groups, n counts these groups."""

    sensitivity: float
    specificity: float
    n_diseased: int
    n_healthy: int


@dataclass(frozen=True)
class ScreeningEstimate:
    """Expected results of an operation at an assumed prevalence. Counts are persons; rates are in [0, 1]."""

    n_diseased: float
    n_healthy: float
    sensitivity: Estimate
    specificity: Estimate
    false_positives: Estimate  # Clopper-Pearson
    false_positives_wilson: Estimate
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
    """Return LR+ = Se / (1 - Sp) and LR- = (1 - Se) / Sp, with the intervals of PPV and NPV as odds."""
    even = estimate_screening(operation, prevalence_per_100k=50_000)  # as many diseased as healthy: odds are ratios
    positive = [None if x is None or x == 1 else x / (1 - x) for x in astuple(even.ppv)]
    value, low, high = (None if x is None or x == 0 else (1 - x) / x for x in astuple(even.npv))
    return Estimate(*positive), Estimate(value, high, low)


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
    se, n1 = operation.sensitivity, operation.n_diseased
    sp, n0 = operation.specificity, operation.n_healthy
    return ScreeningEstimate(
        n_diseased=diseased,
        n_healthy=healthy,
        sensitivity=rate_estimate(se, n1),
        specificity=rate_estimate(sp, n0),
        false_positives=_missed(sp, healthy, clopper_pearson(sp * n0, n0), n0),
        false_positives_wilson=_missed(sp, healthy, wilson(sp * n0, n0), n0),
        false_negatives=_missed(se, diseased, wilson(se * n1, n1), n1),
        ppv=_predictive((se, n1), (sp, n0), share),
        npv=_predictive((sp, n0), (se, n1), 1 - share),
    )


def _missed(rate: float, persons: float, ends: tuple[float, float], n: float) -> Estimate:
    """Return how many of `persons` to expect decided wrongly. rate: of right decisions; ends: its interval."""
    if rate == 1:
        return Estimate(None, None, persons * (1 - sure_bound(n)))
    if rate == 0:
        return Estimate(None, persons * sure_bound(n), None)
    return Estimate(persons * (1 - rate), persons * (1 - ends[1]), persons * (1 - ends[0]))


def _predictive(hit: tuple[float, float], reject: tuple[float, float], share: float) -> Estimate:
    """Return the PPV of hit = (sensitivity, n1), reject = (specificity, n0), share = prevalence; swap for the NPV.

    Where the logit is undefined, the one bound follows from the least (or most) favourable ends of both rates.
    Source: Mercaldo, Lau and Zhou 2007.
    """
    se, n1 = hit
    sp, n0 = reject

    def value(se: float, sp: float) -> float:
        return se * share / (se * share + (1 - sp) * (1 - share))

    if (se, sp) in {(0, 1), (1, 0)}:  # all got the same answer: the sample has no information on this value
        return Estimate(None, None, None)
    if sp == 1:
        return Estimate(None, value(wilson(se * n1, n1)[0], sure_bound(n0)), None)
    if se == 0:
        return Estimate(None, None, value(1 - sure_bound(n1), wilson(sp * n0, n0)[1]))
    spread = Z * np.sqrt((1 - se) / (se * n1) + sp / ((1 - sp) * n0))
    logit = special.logit(value(se, sp))
    return Estimate(value(se, sp), float(special.expit(logit - spread)), float(special.expit(logit + spread)))


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
