"""Covariance matrix adaptation."""

from typing import Literal

from optuna.samplers import BaseSampler, CmaEsSampler

from pipeline.experiment.registry import Sampler, SamplingRequest, StartupTrials


class CmaEs(Sampler):
    """Evolution of a normal distribution (Hansen 2016); for many trials of numbers."""

    name: Literal["cma_es"] = "cma_es"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return CmaEsSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)
