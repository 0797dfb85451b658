from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.registration import Registration
from pipeline.artifacts.runs import Ledger, Version
from pipeline.report.pages import Link
from pipeline.report.results import Results
from pipeline.report.sections import reproduce
from pipeline.report.sections.reproduce import MAX_VERSIONS, against_smallest, checklist, ledger_text, mlflow_runs
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES


def test_the_guidelines_are_linked_or_missing_with_a_reason(root: Path) -> None:
    html = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    items = checklist()
    assert len({item.asked for item in items}) == len(items) > 45
    assert all(item.note for item in items if not item.anchor)
    page = BeautifulSoup(html, "html.parser")
    headings = {str(heading["id"]) for heading in page.select("h2[id]")}
    linked = [str(a["href"]) for a in page.select('[aria-label="Reporting guidelines"] a')]
    assert linked == [f"#{item.anchor}" for item in items if item.anchor in headings]
    assert len(linked) > 25
    assert html.count("<strong>missing</strong>: ") == len(items) - len(linked)
    assert "TRIPOD" not in (root / "reports/hostile/index.html").read_text(encoding="utf-8")  # not medical


def test_every_guideline_is_asked_for() -> None:
    sources = " ".join(item.source for item in checklist())
    for guideline in ("STARD 2", "STARD-AI", "TRIPOD+AI", "CLAIM", "PROBAST+AI", "REFORMS", "Metrics Reloaded"):
        assert guideline in sources


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


@pytest.mark.parametrize(
    ("low", "high", "conclusion"),
    [
        (0.01, 0.03, "the winner is better"),
        (-0.03, -0.011, "the winner is worse"),
        (-0.009, 0.009, "smaller than"),
        (0.001, 0.009, "smaller than"),  # better, but not by what is of interest
        (0.001, 0.011, "undecided"),
        (-0.011, 0.0, "undecided"),
        (None, 0.0, "undecided"),
        (0.02, None, "the winner is better"),
    ],
)
def test_a_difference_is_held_against_the_smallest_one_of_interest(
    low: float | None, high: float | None, conclusion: str
) -> None:
    registration = Registration(primary="macro_f1", smallest_difference=0.01)
    assert against_smallest(Estimate(0.005, low, high), registration).startswith(conclusion)


def test_every_score_of_a_report_may_be_registered() -> None:
    for primary in SCORES:
        assert Registration.model_validate({"primary": primary, "smallest_difference": 0.01})


def test_the_registration_is_shown_with_its_commit_and_what_differs_from_it(root: Path) -> None:
    plain = Results.read(Layout(root), "single", SETTINGS)
    assert reproduce.context(plain)["registration"] == []
    registration = Registration(primary="accuracy", smallest_difference=0.01, min_sensitivity=0.9)
    study = plain.search.study.model_copy(update={"registration": registration})
    runs = plain.evaluation_runs.model_copy(update={"registered": Version(commit="a" * 40, date="2024-05-06")})
    results = replace(plain, search=replace(plain.search, study=study), evaluation_runs=runs)
    rows = dict(reproduce.context(results)["registration"])
    assert rows["primary score"] == "accuracy"
    assert rows["smallest difference of interest, points"].startswith("1, ")
    assert rows["threshold"].endswith("but 0.95 was used")
    assert rows["registered since"] == f"commit {'a' * 40} of 2024-05-06"
    unknown = replace(results, evaluation_runs=plain.evaluation_runs)
    assert "unknown" in dict(reproduce.context(unknown)["registration"])["registered since"]


def test_the_ledger_is_due_after_the_stated_number_of_versions() -> None:
    versions = [Version(commit=f"{k:040}", date="2024-05-06") for k in range(MAX_VERSIONS)]
    counts = {n: ledger_text(Ledger(split_seed=2, earlier=versions[:n], n_parts=1)) for n in (0, 1, 4, 5)}
    assert "no published version" in counts[0]
    assert "1 published version before" in counts[1]
    assert [n for n, text in counts.items() if "A new split seed is due" in text] == [5]
    assert "cannot be drawn again" in ledger_text(Ledger(split_seed=None, earlier=versions, n_parts=1))
