"""Successive halving."""

from typing import Literal

from optuna.pruners import BasePruner, SuccessiveHalvingPruner

from pipeline.experiment.registry import WHOLE, FirstRung, Pruner, ReductionFactor


class SuccessiveHalving(Pruner):
    """Stops a trial that is not among the best at a rung, 1 in `reduction_factor` (Li et al. 2020)."""

    name: Literal["successive_halving"] = "successive_halving"
    first_rung: FirstRung = 0.1
    reduction_factor: ReductionFactor = 3

    def make(self) -> BasePruner:
        return SuccessiveHalvingPruner(round(self.first_rung * WHOLE), self.reduction_factor)
