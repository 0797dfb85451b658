"""An experiment: a training configuration in which some leaves are drawn.

So every draw is a valid configuration by construction. An option of a model (`cnn.width`) is drawn only
where that model is; any other condition is written as `when:`. The trials of a search stand in slots: the baseline
in slot 0, behind it the variations of one leaf at a time, behind those the draws of the sampler.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.core.yaml_document import Number, Scalar, Strict
from pipeline.experiment.pruners import Pruner
from pipeline.experiment.samplers import Grid, Sampler


class Bound(Strict):
    """A constraint on a value of the best epoch."""

    at_least: Number | None = None
    at_most: Number | None = None

    def violation(self, value: float) -> float:
        """Largest distance beyond a bound; <= 0: kept, as Optuna wants it."""
        low = self.at_least - value if self.at_least is not None else -math.inf
        high = value - self.at_most if self.at_most is not None else -math.inf
        return max(low, high)


@dataclass(frozen=True)
class SearchParameter:
    """A drawn value. `choices` or `low`..`high` (both included); `when`: key -> values under which it is drawn."""

    key: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def active(self, drawn: Configuration) -> bool:
        return all(drawn.get(key) in values for key, values in self.when.items())

    @property
    def n_values(self) -> int | None:
        """None for a range without steps. They are counted, not listed: there may be a billion."""
        if self.choices:
            return len(self.choices)
        if self.log:
            return None
        if self.integer:
            return int((self.high - self.low) // (self.step or 1)) + 1
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1 if self.step else None

    def value(self, i: int) -> Scalar:
        """Value number `i`, 0 <= i < n_values."""
        if self.choices:
            return self.choices[i]
        value = self.low + i * (self.step or 1)
        return int(value) if self.integer else value

    def holds(self, value: Scalar) -> bool:
        """Whether it is one of the `n_values`."""
        if self.choices or self.n_values is None or isinstance(value, str):
            return value in self.choices
        i = (value - self.low) / (self.step or 1)
        return -0.5 < i < self.n_values - 0.5 and self.value(round(i)) == value

    def at(self, u: float) -> Scalar:
        """The value at the share `u` of the range, 0 <= u < 1, on its logarithm where `log` says so."""
        if (n := self.n_values) is not None:
            return self.value(int(u * n))
        half = 0.5 if self.integer else 0.0  # so that the ends of a range of whole numbers are as likely as the others
        low, high = self.low - half, self.high + half
        value = math.exp(math.log(low) + u * (math.log(high) - math.log(low))) if self.log else low + u * (high - low)
        return min(max(round(value), int(self.low)), int(self.high)) if self.integer else value


@dataclass(frozen=True)
class Experiment:
    name: str
    question: str
    dataset: str
    objective: str
    trials: int  # the baseline and the variations included
    seed: int
    parallel: int  # slots of a batch: drawn before any of them is learnt from
    sampler: Sampler
    pruner: Pruner
    constraints: Mapping[str, Bound]  # column of the curves -> bound on its value at the best epoch
    fixed: Configuration
    baseline: Configuration  # the whole configuration, `fixed` included
    variations: tuple[tuple[str, Scalar], ...]  # leaf and value that differ from the baseline
    space: tuple[SearchParameter, ...]  # a leaf stands behind those its `when` names

    def identity(self) -> dict[str, Any]:
        """What makes two studies the same search: everything but the question and the number of trials."""
        leaves = [{**vars(leaf), "when": dict(leaf.when)} for leaf in self.space]
        return {
            "dataset": self.dataset,
            "objective": self.objective,
            "seed": self.seed,
            "parallel": self.parallel,
            "sampler": self.sampler.model_dump(),
            "pruner": self.pruner.model_dump(),
            "constraints": {key: bound.model_dump() for key, bound in self.constraints.items()},
            "fixed": self.fixed,
            "baseline": self.baseline,
            "variations": self.variations,
            "space": leaves,
        }

    @cached_property
    def combinations(self) -> list[Configuration]:
        """Of a grid, in the order in which they are trained; empty for other samplers."""
        return list(grid(self.fixed, self.space)) if isinstance(self.sampler, Grid) else []

    @property
    def n_slots(self) -> int:
        """Trials that the search fills: `trials`, or fewer where a grid ends before."""
        if not isinstance(self.sampler, Grid):
            return self.trials
        return min(self.trials, self.first_draw + n_combinations(self.fixed, self.space))

    @property
    def first_draw(self) -> int:
        """The first slot that the sampler fills."""
        return 1 + len(self.variations)

    def given(self, slot: int) -> tuple[str, Configuration] | None:
        """Role and configuration of a slot that is not drawn."""
        if slot == 0:
            return "baseline", self.baseline
        if slot < self.first_draw:
            key, value = self.variations[slot - 1]
            return "one_at_a_time", own_options({**self.baseline, key: value})
        return None


def grid(fixed: Configuration, space: tuple[SearchParameter, ...]) -> Iterator[Configuration]:
    """The drawn leaves of every combination, the last leaf varying fastest; every leaf must have `n_values`."""

    def extend(drawn: Configuration, leaves: tuple[SearchParameter, ...]) -> Iterator[Configuration]:
        if not leaves:
            yield drawn
            return
        leaf, rest = leaves[0], leaves[1:]
        if not leaf.active({**fixed, **drawn}):
            yield from extend(drawn, rest)
            return
        for i in range(leaf.n_values or 0):
            yield from extend({**drawn, leaf.key: leaf.value(i)}, rest)

    return extend({}, space)


def n_combinations(fixed: Configuration, space: tuple[SearchParameter, ...]) -> int:
    """Number of combinations of `grid`. Only values that a condition names are told apart, so a long range is quick."""

    def count(drawn: Configuration, leaves: tuple[SearchParameter, ...]) -> int:
        if not leaves:
            return 1
        leaf, rest = leaves[0], leaves[1:]
        if not leaf.active({**fixed, **drawn}):
            return count(drawn, rest)
        named = {value for later in rest for value in later.when.get(leaf.key, ()) if leaf.holds(value)}
        n_others = (leaf.n_values or 0) - len(named)
        n = sum(count({**drawn, leaf.key: value}, rest) for value in named)
        return n + (n_others * count(drawn, rest) if n_others else 0)

    return count({}, space)
