"""Early stopping of a trial."""

from typing import Annotated, Literal

from optuna.pruners import BasePruner, PatientPruner
from pydantic import Field

from pipeline.core.yaml_document import Integer, Number
from pipeline.experiment.registry import Pruner


class PatiencePruner(Pruner):
    """Stops a trial that no longer improves; it looks at no other trial."""

    name: Literal["patience"] = "patience"
    epochs: Annotated[Integer, Field(ge=1, description="epochs without a better score")] = 5
    min_delta: Annotated[Number, Field(ge=0, description="smallest difference that counts as better")] = 0.0

    def make(self) -> BasePruner:
        return PatientPruner(None, self.epochs, self.min_delta)
