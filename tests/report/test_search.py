from pathlib import Path

from bs4 import BeautifulSoup

import contract_data
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.sections.search import given_rows, trial_table


def test_every_trial_is_on_the_page_with_its_reason(root: Path) -> None:
    soup = BeautifulSoup((root / "reports/hostile/index.html").read_text(encoding="utf-8"), "html.parser")
    head, *rows = [[cell.text for cell in row.select("th, td")] for row in soup.select(".trials tr")]
    trials = [dict(zip(head, row, strict=True)) for row in rows]
    assert [trial["number"] for trial in trials] == [str(number) for number in range(12)]
    assert trials[3]["state"] == "pruned"
    assert (trials[5]["state"], trials[5]["score"], trials[5]["reason"]) == ("failed", "", "the loss is nan")
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
