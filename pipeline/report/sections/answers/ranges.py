"""Lowest and highest value of a key of a search space."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.artifacts.configuration import SpaceEntry
from pipeline.statistics.robust_regression import Array


def space_range(space: Sequence[SpaceEntry], key: str, configs: Sequence[Mapping[str, Any]]) -> Array | None:
    """Return lowest and highest value, (2,), or for each configuration, (n, 2), where they depend on other parameters.

    None for a key without numbers.
    """
    cases = [(entry, _ends(entry)) for entry in space if entry.key == key]
    ends = [of for _, of in cases if of is not None]
    if not ends or len(ends) < len(cases):
        return None
    if len(ends) == 1:
        return np.array(ends[0])
    return np.array([next((of for entry, of in cases if of and _holds(entry, config)), ends[0]) for config in configs])


def _ends(entry: SpaceEntry) -> tuple[float, float] | None:
    """Return the lowest and highest value of an entry; None without numbers that differ."""
    ends = entry.choices or (entry.low, entry.high)
    numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    return (min(numbers), max(numbers)) if len(numbers) == len(ends) and min(numbers) < max(numbers) else None


def _holds(entry: SpaceEntry, config: Mapping[str, Any]) -> bool:
    return all(config.get(key) in values for key, values in entry.when.items())
