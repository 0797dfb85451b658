"""Gaussian process."""

from typing import Annotated, Literal

from optuna.samplers import BaseSampler, GPSampler
from pydantic import Field

from pipeline.core.yaml_document import Integer
from pipeline.experiment.registry import Sampler, SamplingRequest


class Gp(Sampler):
    """Expected improvement under a Gaussian process; for few, costly trials."""

    name: Literal["gp"] = "gp"
    startup_trials: Annotated[Integer, Field(ge=0, description="random trials before the sampler starts to learn")] = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return GPSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)
