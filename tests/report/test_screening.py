import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.core.files import read_json
from pipeline.report import formatting
from pipeline.report.results import Results
from pipeline.report.sections.screening.people import outline
from pipeline.report.sections.screening.slider_data import POSITIONS, THRESHOLDS
from pipeline.statistics.screening import estimate_screening


def test_no_false_positive_is_a_bound_not_a_zero(root: Path) -> None:
    screening = read_json(root / "reports/perfect/metrics.json")["screening"]
    n = screening["n_healthy_groups"]
    assert screening["specificity"] == 1
    assert screening["false_positives"] is None
    assert screening["ppv"] is None
    assert screening["false_positives_high"] == pytest.approx(99_978.03 * (1 - 0.05 ** (1 / n)), rel=1e-5)
    html = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row">(false positives|PPV)</th><td>([^<]*)</td>', html)
    assert [name for name, _ in rows] == ["false positives", "PPV"]
    assert rows[0][1].startswith("at most ")
    assert rows[1][1].startswith("at least ")
    assert "No error in the test part" in html
    assert "makes no error under 3 fresh seeds" in html


def test_the_champion_decides_alone(root: Path) -> None:
    """Its rates are those of its seed in the table of every seed; three seeds of the hostile page differ."""
    html = (root / "reports/hostile/index.html").read_text(encoding="utf-8")
    tables = {t.caption.text: t for t in BeautifulSoup(html, "html.parser").select("table") if t.caption}
    expected = next(table for caption, table in tables.items() if caption.startswith("Expected per 100,000"))
    of_seeds = next(table for caption, table in tables.items() if caption.startswith("Decision of every seed"))
    head = [cell.text for cell in expected.select("thead th")]
    column = head.index("champion, seed 102")  # highest score on val
    rows = [[cell.text for cell in row.select("th, td")] for row in expected.select("tbody tr")]
    seeds = [[cell.text for cell in row.select("th, td")] for row in of_seeds.select("tbody tr")]
    assert [row[0] for row in rows[:2]] == ["sensitivity per image", "specificity per image"]
    assert [row[column].split(" [")[0] for row in rows[:2]] == seeds[2][2:4]
    assert rows[1][column] != rows[1][1]


def cells(path: str) -> int:
    """Return the area of an outline, drawn as rectangles."""
    return sum(int(w) * int(h) for w, h in re.findall(r"h(\d+)v(\d+)", path))


@pytest.mark.parametrize("name", ["hostile", "perfect", "single"])
def test_every_person_is_in_the_section_without_a_script(root: Path, name: str) -> None:
    html = (root / "reports" / name / "index.html").read_text(encoding="utf-8")
    section = html[html.index('id="screening"') : html.index('id="explore"')]
    counts = dict(re.findall(r'<li class="(..)"><span><b>([^<]*)</b>', section))
    people = {kind: int(n.split()[-1].replace(",", "")) for kind, n in counts.items()}
    for _ in range(2):  # the whole, and enlarged
        drawn = dict(re.findall(r'<path class="(..)" d="([^"]*)">', section))
        assert {kind: cells(path) for kind, path in drawn.items()} == people
        section = section[section.index('class="enlarged"') :]
    s = read_json(root / "reports" / name / "metrics.json")["screening"]
    assert sum(people.values()) == 100_000
    assert people["tp"] + people["fn"] == 22  # of 21.97
    if name == "perfect":  # no error: the bounds
        assert counts["fp"] == f"at most {s['false_positives_high']:,.0f}"
        assert counts["tn"].startswith("at least ")
        assert "the bound is drawn" in html
    else:
        diseased = formatting.count(s["prevalence_per_100k"] - s["false_negatives"])
        assert people["fp"] == round(s["false_positives"])
        assert people["fn"] == round(s["false_negatives"])
        assert f"Of {people['tp'] + people['fp']:,} people called positive, about {diseased} are diseased." in html


def test_an_outline_goes_around_every_person_once() -> None:
    seen = np.zeros((250, 400), dtype=int)
    ends = [0, 1, 9, 10, 25, 99, 100, 345, 4_000, 4_001, 12_345, 99_999, 100_000]
    for first, end in itertools.pairwise(ends):
        for x, y, w, h in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", outline(first, end)):
            seen[int(y) : int(y) + int(h), int(x) : int(x) + int(w)] += 1
        assert seen.sum() == end
    assert (seen == 1).all()
    assert outline(5, 5) == ""


def test_pages_say_what_the_screening_is(root: Path, page: str) -> None:
    assert "An illustration without medical meaning" in page
    assert "not a medical device" not in page
    medical = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    assert "Research only, not a medical device" in medical
    assert "illustration" not in medical


@pytest.mark.parametrize("name", ["hostile", "perfect", "single"])
def test_the_slider_holds_the_decision_at_every_position(root: Path, name: str) -> None:
    """Scaled to any prevalence, its rates and likelihood ratios are the estimates of the pipeline."""
    html = (root / "reports" / name / "index.html").read_text(encoding="utf-8")
    data = json.loads(re.findall(r'id="slider-data">(.*?)</script>', html)[0])
    results = Results.read(Layout(root), name, SETTINGS)
    assert len(data["rows"]) == len(data["thresholds"]) == len(POSITIONS) == 481
    assert data["thresholds"] == pytest.approx(THRESHOLDS.tolist(), abs=1e-7)
    decisions = {None: results.decisions["winner"]}
    decisions |= {i: results.decide("winner", at=float(THRESHOLDS[i])) for i in (0, 100, 232, 240, 300, 480)}
    for position, decision in decisions.items():
        ends = data["frozen"] if position is None else data["estimates"][data["rows"][position]]
        for prevalence, screened in ((21.97, 100_000), (9_000.0, 350)):
            expected = estimate_screening(decision.operation, prevalence, screened)
            names = ("sensitivity", "specificity", "false_positives", "false_negatives", "ppv", "npv")
            odds = prevalence / (100_000 - prevalence)
            diseased = screened * prevalence / 100_000
            scales = [1, 1, screened - diseased, diseased]
            for i, quantity in enumerate(names):
                estimate = getattr(expected, quantity)
                for end, value in zip(ends[i], (estimate.value, estimate.low, estimate.high), strict=True):
                    if end is None or value is None:
                        assert end is value is None
                    elif i < 4:
                        assert end * scales[i] == pytest.approx(value, rel=1e-8)
                    else:
                        ratio = end * (odds if quantity == "ppv" else 1 / odds)
                        assert ratio / (1 + ratio) == pytest.approx(value, rel=1e-8)
    assert re.findall(r'id="explore"[^>]*>', html)[0].endswith("hidden>")  # without JavaScript it is not shown
