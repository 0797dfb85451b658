"""An experiment: a training configuration in which some parameters are sampled.

So every trial is a valid configuration by construction. The trials of a search fill slots: first the baseline, then
the variations of one parameter at a time, then what the sampler draws.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.registration import Registration
from pipeline.core.yaml_document import Integer, Number, Scalar, Strict
from pipeline.experiment.registry import Pruner, Sampler
from pipeline.experiment.space import SearchParameter, n_combinations

Variations = tuple[tuple[str, Scalar], ...]  # key and value that differ from the baseline


class Bound(Strict):
    """A constraint on a value of the best epoch."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("must have `at_least` or `at_most`")
        return self

    def violation(self, value: float) -> float:
        """Return the largest distance beyond a bound; 0 or less if the value keeps both, as Optuna expects."""
        low = self.at_least - value if self.at_least is not None else -math.inf
        high = value - self.at_most if self.at_most is not None else -math.inf
        return max(low, high)


class Plan(Strict):
    """The question of an experiment and its budget."""

    question: str = Field(min_length=1, description="what the experiment is to answer, one sentence")
    registration: Registration | None = Field(None, description="what is fixed before the test part is scored")
    dataset: str
    objective: Literal["accuracy", "macro_f1"] = Field("macro_f1", description="on val; larger is better")
    trials: Annotated[Integer, Field(ge=1, description="number of trials, the baseline included")]
    seed: Annotated[Integer, Field(ge=0)] = 1
    parallel: Annotated[
        Integer, Field(ge=1, description="trials that are sampled before the sampler learns from any of them")
    ] = 2


class Experiment(Plan):
    """A checked experiment file."""

    name: str
    sampler: SerializeAsAny[Sampler]
    pruner: SerializeAsAny[Pruner]
    constraints: dict[str, Bound]  # column of the curves -> bound on its value at the best epoch
    fixed: Configuration
    baseline: Configuration  # the whole configuration, `fixed` included
    variations: Variations
    space: tuple[SearchParameter, ...]  # each after those that its `when` names

    def identity(self) -> dict[str, Any]:
        """Return what makes two studies the same search: all but question, registration and number of trials."""
        return self.model_dump(exclude={"name", "question", "registration", "trials"})

    @property
    def n_slots(self) -> int:
        """Return the number of trials: `trials`, or fewer if the sampler runs out of combinations."""
        if not self.sampler.exhaustive:
            return self.trials
        return min(self.trials, self.first_sampled + n_combinations(self.fixed, self.space))

    @property
    def first_sampled(self) -> int:
        """Return the first slot that the sampler fills."""
        return 1 + len(self.variations)

    def given(self, slot: int) -> tuple[str, Configuration] | None:
        """Return role and configuration of a slot that is not sampled, None for others."""
        if slot == 0:
            return "baseline", self.baseline
        if slot < self.first_sampled:
            key, value = self.variations[slot - 1]
            return "one_at_a_time", own_options({**self.baseline, key: value})
        return None
