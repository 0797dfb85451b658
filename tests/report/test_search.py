"""The table of trials as data of the page: order, hostile names, gaps, and what its axes are."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

import contract_data
import trial_examples
from contract_data import MRI, SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.sections.search.trials import given_rows, trial_table, trials_on_page
from pipeline.stages import report


def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_every_trial_is_on_the_page_with_its_reason(root: Path) -> None:
    soup = parse(root / "reports/hostile/index.html")
    head, *rows = [[cell.text for cell in row.select("th, td")] for row in soup.select(".trials tr")]
    trials = {trial["number"]: trial for trial in (dict(zip(head, row, strict=True)) for row in rows)}
    assert sorted(map(int, trials)) == list(range(12))
    assert [trial["state"] for trial in trials.values()] == ["complete"] * 10 + ["pruned", "failed"]
    scores = [float(trial["score"]) for trial in trials.values() if trial["state"] == "complete"]
    assert scores == sorted(scores, reverse=True)
    assert (trials["5"]["state"], trials["5"]["score"], trials["5"]["reason"]) == ("failed", "", "the loss is nan")
    assert [row.th.text for row in soup.select(".trials tr.chosen") if row.th] == ["8"]


def test_the_best_is_shown_with_and_without_given_configurations(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    contract_data.write_search(layout, "e", contract_data.dataset_info("digits", list("0123456789"), []))
    written = SearchResult.read(layout.search("e"))
    assert given_rows(written) == []
    assert "drawn" not in trial_table(written)
    trials = written.trials.astype({"drawn": object})
    trials["score"] = [0.5, 0.6, 0.95, 0.99, 0.9, None, *[0.4] * 6]  # 3 is pruned
    trials.loc[[2, 4], "role"] = "enqueued"
    study = written.study.model_copy(update={"enqueued_from": {"mnist@1": [2]}})
    search = SearchResult(study, trials, written.curves, winner=written.winner, baseline=written.baseline)
    assert given_rows(search) == [
        ["all trials", 10, 2, "95.0 %"],
        ["without those of mnist@1", 9, 4, "90.0 %"],
        ["without reference and enqueued", 8, 1, "60.0 %"],
        ["sampled alone", 7, 1, "60.0 %"],
    ]
    assert "drawn" in trial_table(search)


def test_scores_of_different_rungs_are_not_mixed() -> None:
    """The highest score, 0.97 of trial 2 at the first rung, comes after all that trained longer."""
    shown = trials_on_page(trial_examples.rung_search("e"))
    assert [int(row.cells[0][0]) for row in shown.rows] == trial_examples.ORDER
    assert [row.level for row in shown.rows] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert [row.is_winner for row in shown.rows] == [True] + [False] * 7
    column = [column.key for column in shown.columns].index("first_rung_score")
    assert [row.cells[column][0] for row in shown.rows] == ["0.85", "0.8", "", "0.97", "0.7012", "0.7012", "0.6", ""]


def test_axes_are_those_of_the_space() -> None:
    shown = trials_on_page(trial_examples.rung_search("e"))
    assert {column.key: column.kind for column in shown.columns if column.kind} == {
        "model": "choice",
        "lr": "log",
        "weight_decay": "log",
        "cnn.width": "linear",
        "flip": "choice",
        "first_rung_score": "score",
    }


def test_a_number_that_its_text_rounds_is_on_the_page_whole(tmp_path: Path, show_only: Callable[..., None]) -> None:
    show_only("search")
    layout = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    trial_examples.write_trials(layout, "e", trial_examples.rung_search("e"))
    report.run(layout, "e", SETTINGS)
    html = (tmp_path / "reports/e/index.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(html, "html.parser")
    rounded = {cell["data-value"] for cell in soup.select(".trials td[data-value]")}
    assert {"0.70123456", "0.70121111"} <= rounded
    assert not {"nan", "None", "0.97"} & rounded  # gaps and exact texts have no number of their own
    assert "alert(1)" in html
    assert "alert(2)" in html
    assert not soup.select("img[src=x]")
    assert trial_examples.HOSTILE_REASON in [cell.text for cell in soup.select(".trials td")]
    assert len(soup.select("script")) == 2
    assert [element.has_attr("hidden") for element in soup.select(".trials [data-tools]")] == [True]
    twin = (tmp_path / "reports/e/README.md").read_text(encoding="utf-8")
    assert re.search(r"\| number \| state \| .* \| score \| first rung score \|.*\| reason \|\n", twin)
    assert "Filter the trials" not in twin


@pytest.mark.parametrize("n", [1, 2])
def test_without_varied_parameters_there_are_no_lines(tmp_path: Path, show_only: Callable[..., None], n: int) -> None:
    """One trial, or the baseline and one other."""
    show_only("search")
    layout = contract_data.write_experiment(tmp_path, "e", MRI, n_seeds=1)
    trial_examples.write_trials(layout, "e", trial_examples.first_trials(trial_examples.rung_search("e"), n))
    report.run(layout, "e", SETTINGS)
    soup = parse(tmp_path / "reports/e/index.html")
    assert len(soup.select(".trials tbody tr")) == n
    assert not soup.select(".trials figure")
    assert not soup.select(".trials th[data-kind=log]")


def test_no_score_at_all_is_a_table_of_gaps() -> None:
    search = trial_examples.rung_search("e")
    trials = search.trials.assign(score=np.nan, state="failed")
    search.rungs["score"] = np.nan
    shown = trials_on_page(type(search)(search.study, trials, search.curves, {}, {}, rungs=search.rungs))
    scores = [i for i, column in enumerate(shown.columns) if column.key.endswith("score")]
    assert {row.cells[i] for row in shown.rows for i in scores} == {("", None)}
    assert "nan" not in json.dumps([row.cells for row in shown.rows])
