"""Columns of the regression on hyperparameters: what each means, and what a change of 1 in it is.

columns: name -> (n,) values of the configurations, NaN or None where one does not have the parameter; ranges: name ->
lowest and highest value of the space, (2,) or, where it differs between configurations, (n, 2); else of `columns`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.robust_regression import Array

LEVEL_ROWS = 3  # configurations of a level; rarer ones join the commonest
RESOLUTION = {
    "lr": 1.45,
    "batch_size": 1.2,
    "steps": 1.3,
}  # factors that matter; a narrower interval around 1 is an answer
OTHER_RESOLUTION = 1.25


@dataclass(frozen=True)
class Term:
    """A column of the regression."""

    name: str  # of the parameter; of an auxiliary column: of its parents
    values: Array  # (n,), of all configurations
    per: str = ""  # what changes by 1; empty for an auxiliary column, which has no effect of its own
    level: str = ""  # that the column marks

    @property
    def resolution(self) -> float:
        return RESOLUTION.get(self.name, OTHER_RESOLUTION)


def design_terms(
    families: NDArray[Any], columns: Mapping[str, NDArray[Any]], ranges: Mapping[str, Array]
) -> list[Term]:
    """Return the columns of the regression but families, the most important first; parameters that vary alone.

    The learning rate is centred in the middle of its range, where its effect is the slope: its curve has another slope
    elsewhere. Where the range depends on the optimizer, the level of the optimizer is part of what it means.
    """
    main: dict[str, Term] = {}
    for name, scale, per in (("lr", np.log10, "ten times"), ("batch_size", np.log2, "doubled")):
        values = np.asarray(columns.get(name, []), dtype=float)
        if np.unique(values).size > 1:
            ends = np.asarray(ranges.get(name, [values.min(), values.max()]), dtype=float)
            middle = scale(ends).mean(axis=-1)
            main[name] = Term(name, scale(values) - middle, per)
    terms = list(main.values())
    if np.ndim(ranges.get("lr", ())) > 1 and "optimizer" in columns:
        terms += _levels("optimizer", columns["optimizer"])
        main["optimizer"] = terms[-1]
    if "lr" in main:
        terms.append(Term("lr squared", main["lr"].values ** 2))
    if {"lr", "batch_size"} <= main.keys():
        terms.append(Term("lr by batch_size", main["lr"].values * main["batch_size"].values))
    for name, values in columns.items():
        if name not in main:
            terms += _numeric_term(name, values, families) if _is_numeric(values) else _levels(name, values)
    return terms


def _is_numeric(values: NDArray[Any]) -> bool:
    known = [value for value in values if value is not None]
    return all(isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_) for value in known)


def _centred(values: Array, families: NDArray[Any]) -> Array:
    """Return the distance from the middle of the family's values; 0 for a gap."""
    out = values.copy()
    for members in [families == family for family in np.unique(families)]:
        known = values[members & np.isfinite(values)]
        if known.size:
            out[members] -= (known.min() + known.max()) / 2
    return np.nan_to_num(out)


def _numeric_term(name: str, values: NDArray[Any], families: NDArray[Any]) -> list[Term]:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    known = numbers[np.isfinite(numbers)]
    if np.unique(known).size < 2:
        return []
    low, high = known.min(), known.max()
    if low > 0 and high / low >= 10:
        return [Term(name, _centred(np.log10(numbers), families), "ten times")]
    return [Term(name, _centred(numbers / (high - low), families), f"from {low:g} to {high:g}")]


def _levels(name: str, values: NDArray[Any]) -> list[Term]:
    texts = np.array(["" if value is None or value != value else str(value) for value in values])
    levels, counts = np.unique(texts[texts != ""], return_counts=True)
    if levels.size < 2:
        return []
    base = levels[counts.argmax()]
    kept = [level for level, n in zip(levels, counts, strict=True) if level != base and n >= LEVEL_ROWS]
    return [Term(name, (texts == level).astype(float), f"{level} instead of {base}", str(level)) for level in kept]
