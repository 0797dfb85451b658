"""Successive halving."""

from typing import Annotated, Literal

from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from pydantic import Field

from pipeline.core.yaml_document import Integer, Number
from pipeline.experiment.registry import WHOLE, Pruner


class SuccessiveHalving(Pruner):
    """Stops a trial that is not among the best at a rung, 1 in `reduction_factor` (Li et al. 2020)."""

    name: Literal["successive_halving"] = "successive_halving"
    first_rung: Annotated[Number, Field(ge=0.001, lt=1, description="share of its epochs at the first decision")] = 0.1
    reduction_factor: Annotated[Integer, Field(ge=2, description="1 in this many trials passes each rung")] = 3

    def make(self) -> BasePruner:
        return SuccessiveHalvingPruner(round(self.first_rung * WHOLE), self.reduction_factor)
