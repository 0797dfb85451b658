"""Grid search."""

from itertools import islice
from typing import ClassVar, Literal

from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler

from pipeline.experiment.registry import Sampler, SamplingRequest
from pipeline.experiment.space import grid


class Grid(Sampler):
    """Every combination once, the last parameter varying fastest."""

    name: Literal["grid"] = "grid"
    learns: ClassVar[bool] = False
    exhaustive: ClassVar[bool] = True

    def make(self, request: SamplingRequest) -> BaseSampler:
        combination = next(islice(grid(request.fixed, request.space), request.index, None))
        return PartialFixedSampler(combination, RandomSampler(request.seed))
