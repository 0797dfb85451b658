from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.report.pages import Link
from pipeline.report.results import Results
from pipeline.report.sections.reproduce import checklist, mlflow_runs


def test_the_guidelines_are_linked_or_missing_with_a_reason(root: Path) -> None:
    html = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    items = checklist(screening=True)
    assert len({item.asked for item in items}) == len(items) > 30
    ids = {element["id"] for element in BeautifulSoup(html, "html.parser").select("[id]")}
    assert {item.anchor for item in items if item.anchor} <= ids
    assert all(item.note for item in items if not item.anchor)
    assert html.count("<strong>missing</strong>: ") == sum(not item.anchor for item in items)
    assert not [item for item in checklist(screening=False) if item.anchor == "screening" or item[2:] == ("", "")]
    assert "TRIPOD" not in (root / "reports/hostile/index.html").read_text(encoding="utf-8")  # not medical


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@mlflow.example.org:5000/a/?x=1", "https://mlflow.example.org:5000/a/#/experiments/1/runs/"),
        ("http://localhost:5000", "http://localhost:5000/#/experiments/1/runs/"),
        ("sqlite:///mlflow.db", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_runs_are_linked_where_a_server_is_named(root: Path, uri: str | None, shown: str | None) -> None:
    results = replace(Results.read(Layout(root), "single", SETTINGS), tracking_uri=uri)
    ids = [results.search_runs.run_id, *(run.run_id for run in results.evaluation_runs.retrainings)]
    cells = [cell for *_, cell in mlflow_runs(results)]
    assert [str(cell) for cell in cells] == ids
    assert cells == [Link(run_id, f"{shown}{run_id}") if shown else run_id for run_id in ids]
