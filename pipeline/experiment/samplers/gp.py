"""Gaussian process."""

from typing import Literal

from optuna.samplers import BaseSampler, GPSampler

from pipeline.experiment.registry import Sampler, SamplingRequest, StartupTrials


class Gp(Sampler):
    """Expected improvement under a Gaussian process; for few, costly trials."""

    name: Literal["gp"] = "gp"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return GPSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)
