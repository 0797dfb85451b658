"""Finished reports of three made-up experiments, and their summary."""

from pathlib import Path
from typing import Any

import pytest

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DatasetInfo
from pipeline.stages import report, summary


def _report(root: Path, experiment: str, info: DatasetInfo, **options: Any) -> Path:
    """Return the folder of the page. options: of contract_data.write_evaluate."""
    layout = contract_data.write_experiment(root, experiment, info, **options)
    report.run(layout, experiment, SETTINGS)
    return layout.reports() / experiment


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the reports hostile (names), perfect (no error, two sources) and single (one seed)."""
    root = tmp_path_factory.mktemp("experiments")
    odd = contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1])
    single = contract_data.with_parts(MRI, train=(100, 100), val=(100, 100), test=(100, 100))
    _report(root, "hostile", odd)
    _report(root, "perfect", MRI, skill=(50.0, 2.0), origins=("cheng", ""))
    _report(root, "single", single, n_seeds=1, skill=(3.0, 2.0))
    summary.run(Layout(root), ["hostile", "perfect", "single"])
    return root


@pytest.fixture(scope="session")
def page(root: Path) -> str:
    return (root / "reports/hostile/index.html").read_text(encoding="utf-8")
