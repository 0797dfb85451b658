"""Median stopping rule."""

import math
from typing import Annotated, Literal

from optuna.pruners import BasePruner, MedianPruner
from pydantic import Field

from pipeline.core.yaml_document import Integer, Number
from pipeline.experiment.registry import WHOLE, Pruner


class Median(Pruner):
    """Stops a trial whose best score so far is below the median of the others at the same share of their epochs."""

    name: Literal["median"] = "median"
    startup_trials: Annotated[Integer, Field(ge=0, description="complete trials before any is pruned")] = 4
    warmup: Annotated[Number, Field(ge=0, lt=1, description="share of its epochs before a trial may be pruned")] = 0.3

    def make(self) -> BasePruner:
        return MedianPruner(self.startup_trials, n_warmup_steps=math.floor(self.warmup * WHOLE) + 1)
