"""TODO experiment.pruners."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.yaml_document import Integer, Number, Strict


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


class PatiencePruner(Strict):
    """Stops a trial that no longer improves."""

    name: Literal["patience"] = "patience"
    epochs: Annotated[Integer, Field(ge=1, description="without a better score")] = 5
    min_delta: Annotated[Number, Field(ge=0, description="smallest difference that counts as better")] = 0.0


Pruner = NoPruner | Median | SuccessiveHalving | Hyperband | PatiencePruner
PRUNERS: dict[str, type[Pruner]] = {
    "none": NoPruner,
    "median": Median,
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "patience": PatiencePruner,
}
