import base64
import hashlib
import itertools
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

import contract_data
import contributing
from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, GitState, Origin, SearchRuns
from pipeline.core.files import read_json
from pipeline.report import sections
from pipeline.report.experiment_page import all_sections
from pipeline.stages import report, summary

PAGES = ["hostile/index.html", "perfect/index.html", "index.html"]


def read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_hostile_names_are_text(page: str, root: Path) -> None:
    n_scripts = sum(len(section.scripts) for section in all_sections().values())
    data = '<script type="application/json" id="slider-data">'
    assert re.findall("<script[^>]*>", page) == [data, *["<script>"] * n_scripts]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "naïve $x$ &amp; a|b *c* `d`" in page
    assert "the &lt;b&gt;source&lt;/b&gt;" in page
    counts = pd.read_csv(root / "reports/hostile/confusion.csv")
    assert set(counts["actual"]) == {"<script>alert(1)</script>", "'=1+1", contract_data.HOSTILE[2]}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_one_file_and_accessible(root: Path, name: str) -> None:
    path = root / "reports" / name
    html, soup = path.read_text(encoding="utf-8"), read(path)
    assert not re.search(r"url\(|@import", html)
    assert path.stat().st_size < 6_000_000
    for image in soup.select("img"):
        assert str(image["src"]).startswith("data:image/png;base64,")
        assert len(str(image["alt"])) > 20
    assert [link["href"] for link in soup.select("link")] == ["data:,"]
    assert all(header["scope"] in {"row", "col"} for header in soup.select("th"))
    assert all(table.caption for table in soup.select("table"))
    ids = [element["id"] for element in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    assert {str(link["href"])[1:] for link in soup.select('a[href^="#"]')} <= set(ids)
    levels = [int(heading.name[1]) for heading in soup.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(root: Path, name: str) -> None:
    path = root / "reports" / name
    for link in read(path).select("a"):
        address, _, anchor = str(link["href"]).partition("#")
        if address.startswith("data/"):  # explore writes it
            assert address in {"data/odd/index.html", "data/mri/index.html"}
        elif address and "://" not in address:
            assert (path.parent / address).exists(), address
            assert not anchor or read(path.parent / address).select(f"#{anchor}")


def test_navigation_and_headings_are_the_sections(root: Path) -> None:
    soup = read(root / "reports/perfect/index.html")
    titles = [section.title for section in all_sections().values() if section.title != "Answers"]  # it needs rungs
    assert [link.text for link in soup.select("nav a")] == titles
    assert [heading.text for heading in soup.select("main h2")] == titles
    assert len(titles) > 10


@pytest.mark.parametrize("name", ["hostile", "perfect", "single"])
def test_every_caption_of_test_scores_has_n(root: Path, name: str) -> None:
    """Of tables whose cells have intervals or that are of the test part, and of figures that show scores on it."""
    soup, n_checked = read(root / "reports" / name / "index.html"), 0
    for caption in soup.select("caption, figcaption"):
        table, text = caption.find_parent("table"), caption.text
        has_intervals = table is not None and re.search(r"\d \[\S+, \S+\]", table.text)
        is_of_test = re.search(r"\[95 %\]|interval|mean over seeds|scores on test", text) and "on val" not in text
        if has_intervals or is_of_test:
            assert re.search(r"n = [\d,]+|n units in each row", text), text
            n_checked += 1
    assert n_checked > 8


def test_the_policy_allows_the_scripts_of_the_page_and_no_other(page: str, root: Path) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(digests) == 3
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert f'script-src {allowed}"' in page
    assert "script" not in (root / "reports/index.html").read_text(encoding="utf-8")


def test_a_page_leaves_out_what_an_experiment_does_not_have(tmp_path: Path) -> None:
    info = contract_data.dataset_info("plain", ["a", "b", "c", "d", "e"], [])
    layout = contract_data.write_experiment(tmp_path, "plain", info, n_seeds=2, bare=True)
    report.run(layout, "plain", SETTINGS)
    html = (tmp_path / "reports/plain/index.html").read_text(encoding="utf-8")
    assert 'id="screening"' not in html
    assert "screening" not in read_json(tmp_path / "reports/plain/metrics.json")
    for text in ("No Grad-CAM", "No kernels to show: the first layer", "Layers not listed: no &lt;reason&gt;."):
        assert text in html
    summary.run(layout, ["plain"])
    assert "No data set with a positive class" in (tmp_path / "reports/index.html").read_text(encoding="utf-8")


def test_equal_artifacts_make_an_equal_report_and_old_figures_are_deleted(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    folder = tmp_path / "reports/single"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures/stale.png").touch()
    report.run(Layout(tmp_path), "single", SETTINGS)
    assert files(folder) == files(root / "reports/single")
    assert len(files(folder)) > 8


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_another_run_with_equal_results_changes_no_file_in_git(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    layout, names = Layout(tmp_path), ["hostile", "single"]
    hardware = {"cpu": "Another CPU", "cores": 64, "memory_gib": 512, "gpu": "Another GPU"}
    origin = Origin(git=GitState(commit="9" * 40, dirty=False), versions={"torch": "9.9.9"}, hardware=hardware)
    for name in names:
        search = SearchRuns.read(layout.search_runs(name))
        trials = [
            run.model_copy(update={"run_id": "e" * 32, "started_ms": 1, "ended_ms": 2, "epoch_seconds": [77.7]})
            for run in search.trials
        ]
        changes = {"origin": origin, "experiment_id": "99", "run_id": "f" * 32, "trials": trials}
        search.model_copy(update=changes).write(layout.search_runs(name))
        evaluation = EvaluationRuns.read(layout.evaluation_runs(name))
        retrainings = [
            run.model_copy(update={"run_id": "a" * 32, "started_ms": 1, "epoch_seconds": [88.8]})
            for run in evaluation.retrainings
        ]
        evaluation.model_copy(update={"origin": origin, "retrainings": retrainings}).write(layout.evaluation_runs(name))
    report.run(layout, "hostile", SETTINGS)
    before, after = files(root / "reports/hostile"), files(layout.reports() / "hostile")
    changed = {file for file in after if after[file] != before[file]}
    assert changed == {"index.html", "figures/cost.png"}
    assert b"Another GPU" in after["index.html"]
    before_summary = files(root / "reports")
    summary.run(Layout(root), names)  # of the same two
    expected = files(root / "reports")
    summary.run(Layout(root), ["hostile", "perfect", "single"])
    assert files(root / "reports") == before_summary
    summary.run(layout, names)
    for file in ("README.md", "metrics.json", "leaderboard.csv"):
        assert (layout.reports() / file).read_bytes() == expected[file]
    assert (layout.reports() / "index.html").read_bytes() != expected["index.html"]


def test_the_section_of_contributing_needs_one_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, show_only: Callable[..., None]
) -> None:
    """The example as it is written there: on the page, in the navigation and in the Markdown twin."""
    ((path, code),) = contributing.examples("A section of the report").items()
    assert code.count("\n") <= contributing.MAX_LINES
    assert Path(path).parent == Path("pipeline/report/sections")
    name = Path(path).stem
    (tmp_path / Path(path).name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    shutil.copytree(root / "data", tmp_path / "data")
    try:
        section = all_sections()[name]
        show_only("verdict", name)
        report.run(Layout(tmp_path), "hostile", SETTINGS)
    finally:
        sys.modules.pop(f"pipeline.report.sections.{name}", None)
    soup = read(tmp_path / "reports/hostile/index.html")
    assert soup.select_one(f'nav a[href="#{section.anchor}"]')
    heading = soup.select_one(f"h2#{section.anchor}")
    assert heading
    shown = heading.find_next_sibling()
    assert shown
    captions = [caption.text for caption in shown.select("caption")]
    assert captions
    assert shown.select("figure img")
    twin = (tmp_path / "reports/hostile/README.md").read_text(encoding="utf-8")
    assert f"## {section.title}\n" in twin
    assert all(caption in twin for caption in captions)


def test_reports_need_no_training_library() -> None:
    code = (
        "import sys, pipeline.stages.report, pipeline.stages.summary, pipeline.stages.explore;"
        "from pipeline.report.experiment_page import all_sections; all_sections();"
        "print({'torch', 'mlflow', 'optuna', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_a_large_experiment_takes_less_than_a_minute(tmp_path: Path) -> None:
    """600,000 rows of ten probabilities; CPU time, with room for a busy machine: it takes a quarter of it."""
    info = contract_data.big_info(train=45_000, val=5_000, test=10_000)
    layout = contract_data.write_experiment(tmp_path, "big", info, n_seeds=5)
    start = time.process_time()
    report.run(layout, "big", SETTINGS)
    assert time.process_time() - start < 60
