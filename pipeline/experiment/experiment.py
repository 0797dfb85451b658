"""An experiment: a training configuration in which some parameters are sampled.

So every trial is a valid configuration by construction. The trials of a search fill slots: first the baseline, then
the variations of one parameter at a time, the references, the enqueued configurations, and what the sampler draws.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.registration import Registration
from pipeline.core.yaml_document import Integer, Number, Scalar, Strict
from pipeline.experiment.fidelity import Fidelity
from pipeline.experiment.registry import Pruner, Sampler
from pipeline.experiment.space import SearchParameter, n_combinations

Variations = tuple[tuple[str, Scalar], ...]  # key and value that differ from the baseline


class Bound(Strict):
    """A constraint on a value of the best epoch; of a trial on rungs, of the end of its rung."""

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
    max_cost: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        description="draw no configuration whose training is estimated to take longer than this many times that of the "
        "slowest of baseline, reference and enqueue; null: no limit",
    )
    fidelity: Fidelity | None = Field(
        None, description="how many steps configurations are trained before they are compared; null: all, in full"
    )


class Experiment(Plan):
    """A checked experiment file."""

    name: str
    sampler: SerializeAsAny[Sampler]
    pruner: SerializeAsAny[Pruner]
    constraints: dict[str, Bound]  # column of the curves -> bound on its value
    fixed: Configuration
    baseline: Configuration  # the whole configuration, `fixed` included
    variations: Variations
    references: dict[str, Configuration]  # by name; trained for comparison, never the winner
    enqueued: tuple[Configuration, ...]  # tried before the sampler's draws, as candidates
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
        return len(self._given)

    @cached_property
    def _given(self) -> list[tuple[str, Configuration]]:
        varied = [own_options({**self.baseline, key: value}) for key, value in self.variations]
        return [
            ("baseline", self.baseline),
            *(("one_at_a_time", config) for config in varied),
            *(("reference", config) for config in self.references.values()),
            *(("enqueued", config) for config in self.enqueued),
        ]

    def given(self, slot: int) -> tuple[str, Configuration] | None:
        """Return role and configuration of a slot that is not sampled, None for others."""
        return self._given[slot] if slot < len(self._given) else None

    @property
    def stratify(self) -> str:
        """Return the key whose values are the families."""
        return self.fidelity.stratify if self.fidelity else "model"

    @property
    def families(self) -> tuple[Scalar, ...]:
        """Return the values of the key that divides configurations into families."""
        choices = [p.choices for p in self.space if p.key == self.stratify]
        return choices[0] if choices else (self.fixed[self.stratify],)

    @property
    def n_independent(self) -> float:
        """Return the number of draws, from the first, that depend on no other trial."""
        return self.sampler.n_independent(len(self.families))

    def configuration(self, params: Mapping[str, Any]) -> Configuration:
        """Return the whole configuration of sampled parameters, given by name."""
        keys = {parameter.name: parameter.key for parameter in self.space}
        return own_options({**self.fixed, **{keys[name]: value for name, value in params.items()}})
