"""Settings of `evaluate`."""

from typing import Annotated

from pydantic import Field

from pipeline.core.yaml_document import CountOrAuto, Integer, Number, Strict


class EvaluateSettings(Strict):
    """Section `evaluate` of params.yaml."""

    n_seeds: CountOrAuto = Field(
        description="retrainings of winner and of baseline, each with a fresh seed; auto: 3, or up to 10 while they "
        "make up more than 5 % of the variance of the winner's score on val, as far as one core trains them in an hour",
    )
    folds: Annotated[Integer, Field(ge=3)] | None = Field(
        None, description="of a cross-validation by group, where the published test part is not kept; null: none"
    )
    min_sensitivity: Number = Field(
        gt=0, le=1, description="the threshold has the largest specificity that keeps this sensitivity on val"
    )

    @property
    def fixed_seeds(self) -> int | None:
        """Return the number of seeds, None for `auto`."""
        return None if self.n_seeds == "auto" else self.n_seeds
