"""Estimates of the recipe on the test part: test units and seeds vary."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored, jackknife_difference, jackknife_estimate
from pipeline.statistics.measures import linear

Array = NDArray[Any]
RECIPE = "the recipe on these training data (test units and seeds vary)"


def recipe_estimate(
    score: Scored,
    strata: Array,
    *,
    n: float,
    lowest: float = 0.0,
    highest: float = 1.0,
    heavy_tails: bool = False,
) -> Estimate:
    """Return the mean over seeds of a score in [lowest, highest], with its interval.

    n: units that it averages; heavy_tails: see `unit_variance`.
    """
    unit = Scored(*(np.clip(((x - lowest) / (highest - lowest)).round(12), 0, 1) for x in score))
    return linear(jackknife_estimate(*unit, strata=strata, n=n, heavy_tails=heavy_tails), highest - lowest, lowest)


def paired_change(score: Scored, reference: Scored, strata: Array) -> Estimate:
    """Return the score minus the reference of the same seeds and units, both in [0, 1]."""
    gap = Scored(score.values - reference.values, score.left_out - reference.left_out)
    return jackknife_difference(gap, Scored(np.zeros_like(gap.values), np.zeros_like(gap.left_out)), strata)


def units_of_macro(strata: Array) -> int:
    """Return the units that bound a mean over K classes: K times those of the smallest class."""
    sizes = np.unique(strata, return_counts=True)[1]
    return int(sizes.size * sizes.min())


def scaled_difference(first: Scored, second: Scored, strata: Array, width: float) -> Estimate:
    """Return first minus second, of scores whose range is `width` wide; units are paired, seeds are not."""
    one, other = (Scored(*(x / width for x in score)) for score in (first, second))
    return linear(jackknife_difference(one, other, strata), width)
