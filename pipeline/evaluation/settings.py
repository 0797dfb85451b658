"""Settings of `evaluate`."""

from typing import Annotated

from pydantic import Field

from pipeline.core.yaml_document import Integer, Number, Strict


class EvaluateSettings(Strict):
    """Section `evaluate` of params.yaml."""

    n_seeds: Integer = Field(ge=1, description="retrainings of winner and of baseline, each with a fresh seed")
    folds: Annotated[Integer, Field(ge=3)] | None = Field(
        None, description="of a cross-validation by group, where the published test part is not kept; null: none"
    )
    min_sensitivity: Number = Field(
        gt=0, le=1, description="the threshold has the largest specificity that keeps this sensitivity on val"
    )
