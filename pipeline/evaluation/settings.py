"""TODO evaluation.settings."""

from typing import Annotated

from pydantic import Field

from pipeline.core.yaml_document import Integer, Number, Strict


class EvaluateSettings(Strict):
    n_seeds: Annotated[Integer, Field(ge=1, description="fresh retrainings of winner and of baseline")]
    min_sensitivity: Annotated[
        Number, Field(gt=0, le=1, description="on val: the threshold is the one of largest specificity that keeps it")
    ]
