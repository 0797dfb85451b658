"""Quasi-Monte Carlo search."""

from typing import ClassVar, Literal

from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler
from pydantic import Field
from scipy.stats import qmc

from pipeline.artifacts.configuration import Configuration
from pipeline.experiment.registry import STRIDE, Sampler, SamplingRequest
from pipeline.experiment.space import by_name

ENGINES: dict[str, type[qmc.QMCEngine]] = {"sobol": qmc.Sobol, "halton": qmc.Halton}


class Qmc(Sampler):
    """A low-discrepancy sequence, scrambled by the seed: it covers the space more evenly than chance."""

    name: Literal["qmc"] = "qmc"
    sequence: Literal["sobol", "halton"] = Field("sobol")
    learns: ClassVar[bool] = False

    def make(self, request: SamplingRequest) -> BaseSampler:
        engine = ENGINES[self.sequence](len(request.space), rng=request.study_seed)
        if point := request.index + request.skipped * STRIDE:
            engine.fast_forward(point)
        sampled: Configuration = {}
        for parameter, u in zip(request.space, engine.random(1)[0], strict=True):
            if parameter.active({**request.fixed, **sampled}):
                sampled[parameter.key] = parameter.at(float(u))
        named = by_name(request.space, request.fixed, sampled)
        return PartialFixedSampler(named, RandomSampler(request.seed))
