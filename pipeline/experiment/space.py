"""A search space: its parameters, the values that each may take, and their combinations.

An option of a model (`cnn.width`) is sampled only where that model is; any other condition is written as `when`.
"""

import math
from collections.abc import Iterable, Iterator

from pipeline.artifacts.configuration import Configuration, SpaceEntry
from pipeline.core.yaml_document import Scalar


class SearchParameter(SpaceEntry):
    """A searched parameter with the values it may take."""

    def active(self, sampled: Configuration) -> bool:
        """Return whether all conditions hold."""
        return all(sampled.get(key) in values for key, values in self.when.items())

    @property
    def n_values(self) -> int | None:
        """Return the number of values, None for a range without steps. Counted, not listed: it may be a billion."""
        if self.choices:
            return len(self.choices)
        if self.log:
            return None
        if self.integer:
            return int((self.high - self.low) // (self.step or 1)) + 1
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1 if self.step else None

    def value(self, i: int) -> Scalar:
        """Return value number `i`, 0 <= i < n_values."""
        if self.choices:
            return self.choices[i]
        value = min(self.low + i * (self.step or 1), self.high)  # 3 * 0.1 > 0.3
        return int(value) if self.integer else value

    def holds(self, value: Scalar) -> bool:
        """Return whether it is one of the `n_values`."""
        if self.choices or self.n_values is None or isinstance(value, str):
            return value in self.choices
        i = (value - self.low) / (self.step or 1)
        return -0.5 < i < self.n_values - 0.5 and self.value(round(i)) == value

    def at(self, u: float) -> Scalar:
        """Return the value at the share `u` of the range, 0 <= u < 1, on a logarithmic scale if `log`."""
        if (n := self.n_values) is not None:
            return self.value(int(u * n))
        half = 0.5 if self.integer else 0.0  # so that both ends of a range of whole numbers are as likely as the rest
        low, high = self.low - half, self.high + half
        value = math.exp(math.log(low) + u * (math.log(high) - math.log(low))) if self.log else low + u * (high - low)
        value = min(max(value, self.low), self.high)  # exp(log(low)) may be below low
        return round(value) if self.integer else value


def by_name(space: Iterable[SearchParameter], fixed: Configuration, sampled: Configuration) -> Configuration:
    """Return sampled values, given by key, by the name of the parameter that holds for each."""
    whole = {**fixed, **sampled}
    return {parameter.name: sampled[parameter.key] for parameter in space if parameter.active(whole)}


def grid(fixed: Configuration, space: tuple[SearchParameter, ...]) -> Iterator[Configuration]:
    """Yield the sampled parameters of every combination, the last varying fastest; each needs `n_values`."""
    if not space:
        yield {}
        return
    first, rest = space[0], space[1:]
    if not first.active(fixed):
        yield from grid(fixed, rest)
        return
    for i in range(first.n_values or 0):
        own = {first.key: first.value(i)}
        for others in grid(fixed | own, rest):
            yield own | others


def n_combinations(fixed: Configuration, space: tuple[SearchParameter, ...]) -> int:
    """Return the number of combinations of `grid`.

    Only values that a condition names are counted one by one, so a long range is quick.
    """
    if not space:
        return 1
    first, rest = space[0], space[1:]
    if not first.active(fixed):
        return n_combinations(fixed, rest)
    named = {value for later in rest for value in later.when.get(first.key, ()) if first.holds(value)}
    n_others = (first.n_values or 0) - len(named)
    n = sum(n_combinations(fixed | {first.key: value}, rest) for value in named)
    return n + (n_others * n_combinations(fixed, rest) if n_others else 0)
