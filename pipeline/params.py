"""params.yaml: one section per stage, every value written out there, so that DVC sees each change.

Apart from `pipeline/config.py`, so that an option of the report does not count as a change of the training code.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.config import Integer, Number, Strict, read_yaml, validate
from pipeline.setup import Search


class Download(Strict):
    mirrors: list[str] = Field(
        [], description="folders or http(s) URLs, asked in order, before $DATA_MIRROR and the public URL"
    )
    timeout_s: Annotated[Number, Field(gt=0, description="seconds without a byte before a source is given up")]
    retries: Annotated[Integer, Field(ge=0, description="further attempts per source")]


class Prepare(Strict):
    image_px: Annotated[Integer, Field(ge=4, le=1024, description="side of the prepared square image, pixels")]
    near_duplicate_bits: Annotated[Integer, Field(ge=0)] | None = Field(
        description="largest Hamming distance of two perceptual hashes in one group; null: equal pixels only"
    )
    hash_size: Annotated[Integer, Field(ge=4, le=32, description="perceptual hash of hash_size**2 bits")]


class Split(Strict):
    seed: Annotated[Integer, Field(ge=0)]
    val: Annotated[
        Number, Field(gt=0, lt=1, description="share of images; of the official train part where there is one")
    ]
    test: Annotated[Number, Field(ge=0, lt=1, description="share of images; 0 where the official test part is kept")]


class Evaluate(Strict):
    n_seeds: Annotated[Integer, Field(ge=1, description="fresh retrainings of winner and of baseline")]
    min_sensitivity: Annotated[
        Number, Field(gt=0, le=1, description="on val: the threshold is the one of largest specificity that keeps it")
    ]


class Screening(Strict):
    n_screened: Annotated[Integer, Field(ge=1)]
    prevalence_per_100k: Annotated[Number, Field(gt=0, lt=100_000)]
    prevalence_source: str
    other_prevalences: dict[str, Annotated[Number, Field(gt=0, lt=100_000)]] = Field(
        description="label with source -> per 100,000"
    )


class Report(Strict):
    seed: Annotated[Integer, Field(ge=0)]
    bootstrap_draws: Annotated[Integer, Field(ge=2000)]
    screening: Screening


class Params(Strict):
    """params.yaml."""

    datasets: list[str]
    experiments: dict[str, str] = Field(description="name of a file in experiments/ -> its data set")
    download: Download
    prepare: dict[str, Prepare]
    split: dict[str, Split]
    search: Search
    evaluate: Evaluate
    report: Report


def read_params(path: Path) -> Params:
    """Raises ConfigError with every problem of the file."""
    document = read_yaml(path)
    params = validate(document, Params, document.values)
    if params:
        for section, items in (("prepare", params.prepare), ("split", params.split)):
            for name in set(params.datasets) - set(items):
                document.problem((section,), f"the data set {name!r} of `datasets` is missing; add `{section}.{name}`")
        for name, dataset in params.experiments.items():
            if dataset not in params.datasets:
                document.problem(
                    ("experiments", name), f"must be one of `datasets`, got {dataset!r}", params.datasets, dataset
                )
    document.check()
    assert params
    return params
