"""No pruning."""

from typing import Literal

from optuna.pruners import BasePruner, NopPruner

from pipeline.experiment.registry import Pruner


class NoPruner(Pruner):
    """Stops no trial."""

    name: Literal["none"] = "none"

    def make(self) -> BasePruner:
        return NopPruner()
