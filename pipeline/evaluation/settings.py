"""Settings of `evaluate`."""

from pydantic import Field

from pipeline.core.yaml_document import Integer, Number, Strict


class EvaluateSettings(Strict):
    """Section `evaluate` of params.yaml."""

    n_seeds: Integer = Field(ge=1, description="retrainings of winner and of baseline, each with a fresh seed")
    min_sensitivity: Number = Field(
        gt=0, le=1, description="the threshold has the largest specificity that keeps this sensitivity on val"
    )
