"""Tree-structured Parzen estimator."""

from typing import Annotated, Literal

from optuna.samplers import BaseSampler, TPESampler
from pydantic import Field

from pipeline.core.yaml_document import Integer
from pipeline.experiment.registry import Sampler, SamplingRequest


class Tpe(Sampler):
    """Draws where good trials are denser than bad ones (Bergstra et al. 2011)."""

    name: Literal["tpe"] = "tpe"
    startup_trials: Annotated[Integer, Field(ge=0, description="random trials before the sampler starts to learn")] = 5

    def make(self, request: SamplingRequest) -> BaseSampler:
        # conditional spaces need `group`
        return TPESampler(n_startup_trials=self.startup_trials, multivariate=True, group=True, seed=request.seed)
