"""Settings of the reports in params.yaml."""

from typing import Annotated

from pydantic import Field

from pipeline.core.yaml_document import Integer, Number, Strict


class ScreeningSettings(Strict):
    """The screening that the decision of a winner is carried over to."""

    n_screened: Annotated[Integer, Field(ge=1)]
    prevalence_per_100k: Annotated[Number, Field(gt=0, lt=100_000)]
    prevalence_source: str = Field(description="who published the figure, and what it is: incidence or prevalence")
    other_prevalences: dict[str, Annotated[Number, Field(gt=0, lt=100_000)]] = Field(
        description="label with source -> per 100,000"
    )
    slices_per_person: list[Annotated[Integer, Field(ge=1)]] = Field(description="a person is alarmed by any of them")


class ReportSettings(Strict):
    """The section `report`."""

    seed: Annotated[Integer, Field(ge=0)]
    screening: ScreeningSettings
