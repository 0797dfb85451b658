"""params.yaml: one section per stage, every value written out there, so that DVC sees each change.

Apart from `pipeline/config.py`, so that an option of the report does not count as a change of the training code.
"""

from pathlib import Path

from pydantic import Field

from pipeline.core.yaml_document import Strict, read_yaml, validate
from pipeline.datasets.fetch import DownloadSettings
from pipeline.datasets.preparation import PrepareSettings
from pipeline.datasets.splitting import SplitSettings
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings
from pipeline.report.settings import ReportSettings


class Params(Strict):
    """params.yaml."""

    datasets: list[str]
    experiments: dict[str, str] = Field(description="name of a file in experiments/ -> its data set")
    download: DownloadSettings
    prepare: dict[str, PrepareSettings]
    split: dict[str, SplitSettings]
    search: SearchSettings
    evaluate: EvaluateSettings
    report: ReportSettings


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
