"""Finished reports of three made-up experiments, and their summary."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DatasetInfo
from pipeline.report import experiment_page
from pipeline.stages import report, summary


def _report(root: Path, experiment: str, info: DatasetInfo, **options: Any) -> Path:
    """Return the folder of the page. options: of contract_data.write_evaluate."""
    layout = contract_data.write_experiment(root, experiment, info, **options)
    report.run(layout, experiment, SETTINGS)
    return layout.reports() / experiment


@pytest.fixture(scope="session")
def root(make_once: Callable[..., Path]) -> Path:
    """Return a repository with the reports hostile (names), perfect (no error, two sources) and single (one seed)."""
    return make_once("experiments", _write_reports)


def _write_reports(root: Path) -> None:
    odd = contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1])
    single = contract_data.with_parts(MRI, train=(100, 100), val=(100, 100), test=(100, 100))
    _report(root, "hostile", odd)
    _report(root, "perfect", MRI, skill=(50.0, 2.0), origins=("cheng", ""))
    _report(root, "single", single, n_seeds=1, skill=(3.0, 2.0))
    summary.run(Layout(root), ["hostile", "perfect", "single"])


@pytest.fixture(scope="session")
def page(root: Path) -> str:
    return (root / "reports/hostile/index.html").read_text(encoding="utf-8")


@pytest.fixture
def show_only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that limits pages to the named sections: a whole page takes seconds to draw."""

    def limit(*names: str) -> None:
        every = experiment_page.all_sections()
        monkeypatch.setattr(experiment_page, "all_sections", lambda: {name: every[name] for name in names})

    return limit


@pytest.fixture
def open_page(chromium: Any, root: Path) -> Iterator[Any]:
    """Open a page of the reports; it carries what went wrong in `.complaints` and what it asked for in `.asked`."""
    contexts = []

    def opened(name: str, **options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.complaints, page.asked = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (page.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((root / "reports" / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
