"""Samplers and pruners that an experiment names, with their options; `decisions` makes Optuna's of them."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.yaml_document import Integer, Strict


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


Sampler = Grid | Random | Qmc | Tpe | Gp | CmaEs
SAMPLERS: dict[str, type[Sampler]] = {"grid": Grid, "random": Random, "qmc": Qmc, "tpe": Tpe, "gp": Gp, "cma_es": CmaEs}
