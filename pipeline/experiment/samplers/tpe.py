"""Tree-structured Parzen estimator."""

from typing import Literal

from optuna.samplers import BaseSampler, TPESampler

from pipeline.experiment.registry import Sampler, SamplingRequest, StartupTrials


class Tpe(Sampler):
    """Draws where good trials are denser than bad ones (Bergstra et al. 2011)."""

    name: Literal["tpe"] = "tpe"
    startup_trials: StartupTrials = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        # conditional spaces need `group`
        return TPESampler(n_startup_trials=self.startup_trials, multivariate=True, group=True, seed=request.seed)
