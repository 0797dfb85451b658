"""Random search."""

from typing import ClassVar, Literal

from optuna.samplers import BaseSampler, RandomSampler

from pipeline.experiment.registry import Sampler, SamplingRequest


class Random(Sampler):
    """Independent draws."""

    name: Literal["random"] = "random"
    learns: ClassVar[bool] = False

    def make(self, request: SamplingRequest) -> BaseSampler:
        return RandomSampler(request.seed)
