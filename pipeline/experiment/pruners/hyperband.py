"""Hyperband."""

from typing import Literal

from optuna.pruners import BasePruner, HyperbandPruner

from pipeline.experiment.registry import WHOLE, FirstRung, Pruner, ReductionFactor


class Hyperband(Pruner):
    """Successive halving with several first rungs (Li et al. 2018)."""

    name: Literal["hyperband"] = "hyperband"
    first_rung: FirstRung = 0.1
    reduction_factor: ReductionFactor = 3

    def make(self) -> BasePruner:
        return HyperbandPruner(round(self.first_rung * WHOLE), WHOLE, self.reduction_factor)
