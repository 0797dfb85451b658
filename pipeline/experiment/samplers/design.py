"""Designed draws, from which effects can be estimated."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from pydantic import Field
from scipy.stats import qmc

from pipeline.artifacts.configuration import Configuration
from pipeline.core.seeds import derive_seed
from pipeline.core.yaml_document import Integer, Scalar
from pipeline.experiment.registry import STRIDE, Sampler, SamplingRequest
from pipeline.experiment.space import by_name


class Design(Sampler):
    """A scrambled Sobol sequence for each family, over the parameters that the family has; then TPE in each family.

    Draws that a learning sampler chooses crowd where the score is high, so that effects estimated from them are too
    small; designed ones cover the space evenly. Source: Sobol 1967, scrambling of Owen 1998.
    """

    name: Literal["design"] = "design"
    per_family: Annotated[Integer, Field(ge=1)] | None = Field(
        8, description="designed draws of each family, a power of 2 for balance, before TPE takes over; null: all draws"
    )

    def make(self, request: SamplingRequest) -> BaseSampler:
        family, n_families = self.family(request.index, request.families), len(request.families)
        if request.index >= self.n_independent(n_families):
            tpe = TPESampler(n_startup_trials=0, multivariate=True, group=True, seed=request.seed)
            is_searched = any(parameter.key == request.stratify for parameter in request.space)
            return PartialFixedSampler({request.stratify: family} if is_searched else {}, tpe)
        point = request.index // n_families + request.skipped * STRIDE
        return PartialFixedSampler(_design(request, family, point), RandomSampler(request.seed))

    def family(self, index: int, families: Sequence[Scalar]) -> Scalar:
        return families[index % len(families)]

    def n_independent(self, n_families: int) -> float:
        return math.inf if self.per_family is None else self.per_family * n_families

    def drawn_by(self, index: int, n_families: int) -> str:
        return "design" if index < self.n_independent(n_families) else "tpe"


def _design(request: SamplingRequest, family: Scalar, point: int) -> Configuration:
    """Return the parameters of a point, counted from 0, of the family's sequence."""
    of_family = {**request.fixed, request.stratify: family}
    possible = [p for p in request.space if family in p.when.get(request.stratify, (family,))]
    keys = list(dict.fromkeys(p.key for p in possible if p.key != request.stratify))
    u: dict[str, float] = {}
    if keys:
        engine = qmc.Sobol(len(keys), rng=derive_seed(request.study_seed, "design", str(family)))
        if point:
            engine.fast_forward(point)
        u = dict(zip(keys, engine.random(1)[0].tolist(), strict=True))
    sampled: Configuration = {}
    for parameter in request.space:
        if parameter.key == request.stratify:
            sampled[parameter.key] = family
        elif parameter.active({**of_family, **sampled}):
            sampled[parameter.key] = parameter.at(u[parameter.key])
    return by_name(request.space, request.fixed, sampled)
