"""Hyperband."""

from typing import Annotated, Literal

from optuna.pruners import BasePruner, HyperbandPruner
from pydantic import Field

from pipeline.core.yaml_document import Integer, Number
from pipeline.experiment.registry import WHOLE, Pruner


class Hyperband(Pruner):
    """Successive halving with several first rungs (Li et al. 2018)."""

    name: Literal["hyperband"] = "hyperband"
    first_rung: Annotated[Number, Field(ge=0.001, lt=1, description="share of its epochs at the first decision")] = 0.1
    reduction_factor: Annotated[Integer, Field(ge=2, description="1 in this many trials passes each rung")] = 3

    def make(self) -> BasePruner:
        return HyperbandPruner(round(self.first_rung * WHOLE), WHOLE, self.reduction_factor)
