"""From the address that `make ui` prints, the scores, the confusion matrix and the report need three clicks."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from docs.architecture import ROOT
from docs.draw_mlflow import open_runs, served
from pipeline.core.errors import PipelineError
from pipeline.core.files import read_json
from pipeline.tracking.ui import show_runs


def test_make_ui_runs_the_command() -> None:
    assert "ui: install" in (ROOT / "Makefile").read_text()
    assert (ROOT / "Makefile").read_text().rstrip().endswith("python -m pipeline ui")


def test_an_unreachable_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError):
        show_runs(tmp_path, "http://127.0.0.1:9")


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_scores_figures_and_report_need_three_clicks(
    chromium: Any, reported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(reported, tmp_path / "project", symlinks=True))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MLFLOW_PORT", "1")  # of a shell; changes nothing
    numbers = read_json(root / "data/report/quick/numbers.json")
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    with served(root) as address:
        page = context.new_page()
        open_runs(page, address)
        page.get_by_text(numbers["question"]).wait_for()  # the note of the experiment
        assert page.get_by_role("button", name="New run").is_visible()  # of training, not traces

        page.get_by_role("link", name="quick@").first.click()  # first click: the scores
        row = page.get_by_role("row").filter(has=page.get_by_text("test_macro_f1", exact=True))
        row.wait_for()
        assert f"{numbers['metrics']['test']['macro_f1']:g}" in row.inner_text()

        with context.expect_page() as matrix:  # second click: the confusion matrix
            page.get_by_role("link", name="confusion matrix").click()
        picture = matrix.value.get_by_role("img", name="report/confusion.png")
        picture.first.wait_for(timeout=120_000)
        assert picture.first.evaluate("image => image.naturalWidth") > 300

        with context.expect_page() as shown:  # third click: the report
            page.get_by_role("link", name="Report", exact=True).click()
        frame = shown.value.frame_locator("iframe")
        frame.get_by_role("heading", name="Verdict").wait_for(timeout=120_000)
    context.close()
