"""Optuna's own samplers."""

from typing import ClassVar, Literal

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler

from pipeline.experiment.registry import Sampler, SamplingRequest, StartupTrials


class CmaEs(Sampler):
    """Evolution of a normal distribution (Hansen 2016); for many trials of numbers."""

    name: Literal["cma_es"] = "cma_es"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return CmaEsSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)


class Gp(Sampler):
    """Expected improvement under a Gaussian process; for few, costly trials."""

    name: Literal["gp"] = "gp"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        return GPSampler(n_startup_trials=self.startup_trials, seed=request.seed, warn_independent_sampling=False)


class Random(Sampler):
    """Independent draws."""

    name: Literal["random"] = "random"
    learns: ClassVar[bool] = False

    def make(self, request: SamplingRequest) -> BaseSampler:
        return RandomSampler(request.seed)


class Tpe(Sampler):
    """Draws where good trials are denser than bad ones (Bergstra et al. 2011)."""

    name: Literal["tpe"] = "tpe"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        # conditional spaces need `group`
        return TPESampler(n_startup_trials=self.startup_trials, multivariate=True, group=True, seed=request.seed)
