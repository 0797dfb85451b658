from pathlib import Path

from bs4 import BeautifulSoup


def test_every_trial_is_on_the_page_with_its_reason(root: Path) -> None:
    soup = BeautifulSoup((root / "reports/hostile/index.html").read_text(encoding="utf-8"), "html.parser")
    head, *rows = [[cell.text for cell in row.select("th, td")] for row in soup.select(".trials tr")]
    trials = [dict(zip(head, row, strict=True)) for row in rows]
    assert [trial["number"] for trial in trials] == [str(number) for number in range(12)]
    assert trials[3]["state"] == "pruned"
    assert (trials[5]["state"], trials[5]["score"], trials[5]["reason"]) == ("failed", "", "the loss is nan")
    assert [row.th.text for row in soup.select(".trials tr.chosen") if row.th] == ["8"]
