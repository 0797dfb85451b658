"""params.yaml: the data sets and one section per stage; every value is written out, so that DVC sees each change.

No room imports this file, so that an option of the report does not change the digest of the training code.
"""

from pathlib import Path

from pydantic import Field

from pipeline.core.yaml_document import Strict, read_yaml, validate
from pipeline.datasets.fetch import DownloadSettings
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings
from pipeline.report.settings import ReportSettings


class Params(Strict):
    """params.yaml."""

    datasets: dict[str, str] = Field(
        description="name of a file in data/ -> what DVC watches for changes of its images"
    )
    experiments: dict[str, str] = Field(description="name of a file in experiments/ -> its data set")
    download: DownloadSettings
    search: SearchSettings
    evaluate: EvaluateSettings
    report: ReportSettings


def read_params(path: Path) -> Params:
    """Read params.yaml. Raises ConfigError with every problem of the file."""
    document = read_yaml(path)
    params = validate(document, Params, document.values)
    if params:
        for name, dataset in params.experiments.items():
            if dataset not in params.datasets:
                document.problem(
                    ("experiments", name), f"must be one of `datasets`, got {dataset!r}", params.datasets, dataset
                )
    document.check()
    assert params
    return params
