"""Samplers and pruners that an experiment names, with their options; `decisions` makes Optuna's of them."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import Integer, Number, Strict


class Grid(Strict):
    """Every combination once, in the order of the space."""

    name: Literal["grid"] = "grid"


class Random(Strict):
    """Independent draws."""

    name: Literal["random"] = "random"


class Qmc(Strict):
    """A sequence that fills the space more evenly than chance; scrambled by the seed."""

    name: Literal["qmc"] = "qmc"
    sequence: Literal["sobol", "halton"] = Field("sobol")


class _Learning(Strict):
    startup_trials: Annotated[Integer, Field(ge=0, description="random trials before the sampler starts to learn")] = 5


class Tpe(_Learning):
    name: Literal["tpe"] = "tpe"


class Gp(_Learning):
    name: Literal["gp"] = "gp"


class CmaEs(_Learning):
    name: Literal["cma_es"] = "cma_es"


class NoPruner(Strict):
    name: Literal["none"] = "none"


class Median(Strict):
    """Stops a trial whose best score so far is below the median of the others at the same share of their epochs."""

    name: Literal["median"] = "median"
    startup_trials: Annotated[Integer, Field(ge=0, description="complete trials before any is pruned")] = 4
    warmup: Annotated[Number, Field(ge=0, lt=1, description="share of its epochs that every trial is given")] = 0.3


class _Rungs(Strict):
    first_rung: Annotated[Number, Field(ge=0.001, lt=1, description="share of its epochs at the first decision")] = 0.1
    reduction_factor: Annotated[Integer, Field(ge=2, description="one in so many goes on from rung to rung")] = 3


class SuccessiveHalving(_Rungs):
    name: Literal["successive_halving"] = "successive_halving"


class Hyperband(_Rungs):
    name: Literal["hyperband"] = "hyperband"


class Patience(Strict):
    """Stops a trial that no longer improves."""

    name: Literal["patience"] = "patience"
    epochs: Annotated[Integer, Field(ge=1, description="without a better score")] = 5
    min_delta: Annotated[Number, Field(ge=0, description="smallest difference that counts as better")] = 0.0


Sampler = Grid | Random | Qmc | Tpe | Gp | CmaEs
Pruner = NoPruner | Median | SuccessiveHalving | Hyperband | Patience
SAMPLERS: dict[str, type[Sampler]] = {"grid": Grid, "random": Random, "qmc": Qmc, "tpe": Tpe, "gp": Gp, "cma_es": CmaEs}
PRUNERS: dict[str, type[Pruner]] = {
    "none": NoPruner,
    "median": Median,
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "patience": Patience,
}
