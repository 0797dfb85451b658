"""What an experiment file fixes about the comparison before the test part is scored."""

from typing import Literal

from pydantic import Field

from pipeline.artifacts.json_file import JsonPart
from pipeline.core.yaml_document import Number


class Registration(JsonPart):
    """The section `registration` of an experiment file. It changes no training."""

    primary: Literal["accuracy", "macro_precision", "macro_recall", "macro_f1"] = Field(
        description="score of the comparison, on test"
    )
    smallest_difference: Number = Field(
        gt=0, lt=1, description="smallest difference of interest, winner minus baseline, as a share: 0.01 is one point"
    )
    min_sensitivity: Number | None = Field(
        None, gt=0, le=1, description="rule of the threshold: keep this sensitivity on val, then the best specificity"
    )
