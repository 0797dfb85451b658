"""Covariance matrix adaptation."""

from typing import Annotated, Literal

from optuna.samplers import BaseSampler, CmaEsSampler
from pydantic import Field

from pipeline.core.yaml_document import Integer
from pipeline.experiment.registry import Sampler, SamplingRequest


class CmaEs(Sampler):
    """Evolution of a normal distribution (Hansen 2016); for many trials of numbers."""

    name: Literal["cma_es"] = "cma_es"
    startup_trials: Annotated[Integer, Field(ge=0, description="random trials before the sampler starts to learn")] = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return CmaEsSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)
