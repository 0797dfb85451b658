"""Optuna's own pruning rules."""

import math
from typing import Annotated, Literal

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PatientPruner, SuccessiveHalvingPruner
from pydantic import Field

from pipeline.core.yaml_document import Integer, Number
from pipeline.experiment.registry import WHOLE, FirstRung, Pruner, ReductionFactor


class NoPruner(Pruner):
    """Stops no trial."""

    name: Literal["none"] = "none"

    def make(self) -> BasePruner:
        return NopPruner()


class Median(Pruner):
    """Stops a trial whose best score so far is below the median of the others at the same share of their epochs."""

    name: Literal["median"] = "median"
    startup_trials: Annotated[Integer, Field(ge=0, description="complete trials before any is pruned")] = 4
    warmup: Annotated[Number, Field(ge=0, lt=1, description="share of its epochs before a trial may be pruned")] = 0.3

    def make(self) -> BasePruner:
        return MedianPruner(self.startup_trials, n_warmup_steps=math.floor(self.warmup * WHOLE) + 1)


class PatiencePruner(Pruner):
    """Stops a trial that no longer improves; it looks at no other trial."""

    name: Literal["patience"] = "patience"
    epochs: Annotated[Integer, Field(ge=1, description="epochs without a better score")] = 5
    min_delta: Annotated[Number, Field(ge=0, description="smallest difference that counts as better")] = 0.0

    def make(self) -> BasePruner:
        return PatientPruner(None, self.epochs, self.min_delta)


class SuccessiveHalving(Pruner):
    """Stops a trial that is not among the best at a rung, 1 in `reduction_factor` (Li et al. 2020)."""

    name: Literal["successive_halving"] = "successive_halving"
    first_rung: FirstRung = 0.1
    reduction_factor: ReductionFactor = 3

    def make(self) -> BasePruner:
        return SuccessiveHalvingPruner(round(self.first_rung * WHOLE), self.reduction_factor)


class Hyperband(Pruner):
    """Successive halving with several first rungs (Li et al. 2018)."""

    name: Literal["hyperband"] = "hyperband"
    first_rung: FirstRung = 0.1
    reduction_factor: ReductionFactor = 3

    def make(self) -> BasePruner:
        return HyperbandPruner(round(self.first_rung * WHOLE), WHOLE, self.reduction_factor)
