"""Grid search."""

from itertools import islice
from typing import ClassVar, Literal

from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler

from pipeline.experiment.registry import Sampler, SamplingRequest
from pipeline.experiment.space import by_name, grid


class Grid(Sampler):
    """Every combination once, the last parameter varying fastest."""

    name: Literal["grid"] = "grid"
    learns: ClassVar[bool] = False
    exhaustive: ClassVar[bool] = True

    def make(self, request: SamplingRequest) -> BaseSampler:
        combination = next(islice(grid(request.fixed, request.space), request.index, None))
        named = by_name(request.space, request.fixed, combination)
        return PartialFixedSampler(named, RandomSampler(request.seed))
