import base64
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

import contract_data
from conftest import markdown_html, markdown_rows
from contract_data import MRI, SETTINGS
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.samples import DatasetInfo
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.errors import DataError
from pipeline.core.files import read_json
from pipeline.report import experiment_page, formatting
from pipeline.report.drawing import BLUE, GREY, ORANGE
from pipeline.report.sections.explanations import section as insights
from pipeline.report.sections.explanations.figures import Example, bars
from pipeline.report.sections.performance import analysis
from pipeline.report.sections.probabilities.analysis import calibrate, discriminate
from pipeline.report.sections.reproduce import checklist, section
from pipeline.report.sections.screening.figures import outline
from pipeline.report.summary import page as summary
from pipeline.statistics.calibration import calibration_error
from pipeline.statistics.intervals import Estimate


def make(root: Path, experiment: str, info: DatasetInfo, **options: Any) -> Path:
    layout = contract_data.write_experiment(root, experiment, info, **options)
    experiment_page.write_experiment_page(layout, experiment, SETTINGS)
    return layout.reports() / experiment


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished reports and their summary."""
    root = tmp_path_factory.mktemp("experiments")
    odd = contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1])
    single = contract_data.with_parts(MRI, train=(100, 100), val=(100, 100), test=(100, 100))
    reports = {
        "hostile": make(root, "hostile", odd),
        "perfect": make(root, "perfect", MRI, skill=(50.0, 2.0)),
        "single": make(root, "single", single, n_seeds=1, skill=(3.0, 2.0)),
    }
    summary.write_summary(Layout(root), list(reports))
    return root


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "reports/hostile/index.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def test_numbers_equal_an_independent_count(root: Path) -> None:
    info = read_json(root / "data/report/hostile/numbers.json")
    numbers = info["metrics"]
    table = pd.read_csv(root / "data/evaluate/hostile/predictions.csv")
    test = table[(table["part"] == "test") & (table["model"] == "winner")]
    accuracy = [reference.accuracy_score(t["label"], t["predicted"]) for _, t in test.groupby("seed")]
    macro_f1 = [reference.f1_score(t["label"], t["predicted"], average="macro") for _, t in test.groupby("seed")]
    assert numbers["test"]["accuracy"] == pytest.approx(np.mean(accuracy), rel=1e-5)
    assert numbers["test"]["macro_f1"] == pytest.approx(np.mean(macro_f1), rel=1e-5)
    assert numbers["test_sd"]["macro_f1"] == pytest.approx(np.std(macro_f1, ddof=1), rel=1e-5)
    low, high = info["intervals"]["test"]["macro_f1"]
    assert low < np.mean(macro_f1) < high
    positive = test["label"] == 0
    called = test[f"p_{contract_data.HOSTILE[0]}"] >= 0.4
    sensitivity = called[positive].groupby([test["seed"], test["group"]]).mean().mean()  # each group counts once
    assert numbers["screening"]["sensitivity"] == pytest.approx(sensitivity, rel=1e-5)


def test_intervals_count_groups(root: Path) -> None:
    for name, n_groups in (("hostile", 100), ("single", 100)):
        screening = read_json(root / "reports" / name / "metrics.json")["screening"]
        assert screening["n_diseased_groups"] + screening["n_healthy_groups"] == n_groups


def test_one_seed_of_single_images_gives_the_textbook_intervals(root: Path) -> None:
    numbers = read_json(root / "reports/single/metrics.json")
    assert numbers["test_sd"]["macro_f1"] is None  # one seed has no spread
    screening = numbers["screening"]
    n = screening["n_healthy_groups"]
    low, high = binomtest(round(screening["specificity"] * n), n).proportion_ci(method="exact")
    healthy = 100_000 - 21.97
    ends = [screening["false_positives_low"], screening["false_positives_high"]]
    assert ends == pytest.approx([healthy * (1 - high), healthy * (1 - low)], rel=1e-4)


def test_metrics_have_the_agreed_shape(root: Path) -> None:
    metrics = read_json(root / "reports/metrics.json")
    assert list(metrics) == ["hostile", "perfect", "single"]
    agreed = ["test", "test_sd", "n_seeds", "baseline_test", "best_of_n_val", "n_trials", "screening"]
    assert list(metrics["hostile"]) == agreed
    assert metrics["hostile"]["n_trials"] == {"complete": 10, "pruned": 1, "failed": 1}
    assert set(metrics["hostile"]["test"]) == {"accuracy", "macro_precision", "macro_recall", "macro_f1"}


def test_hostile_names_are_text(page: str, root: Path) -> None:
    assert re.findall("<script[^>]*>", page) == ['<script type="application/json" id="explore-data">', "<script>"]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "naïve $x$ &amp; a|b *c* `d`" in page
    assert "the &lt;b&gt;source&lt;/b&gt;" in page
    cells = pd.read_csv(root / "reports/hostile/confusion.csv")
    assert set(cells["actual"]) == {"<script>alert(1)</script>", "'=1+1", contract_data.HOSTILE[2]}


@pytest.mark.parametrize("name", ["hostile/index.html", "perfect/index.html", "index.html"])
def test_pages_stand_alone_and_are_accessible(root: Path, name: str) -> None:
    path = root / "reports" / name
    html = path.read_text(encoding="utf-8")
    reader = read(html)
    assert not re.search(r"url\(|@import", html)
    assert path.stat().st_size < 6_000_000
    for image in reader.all("img"):
        assert (image["src"] or "").startswith("data:image/png;base64,")
        assert len(image["alt"] or "") > 20
    for link in reader.all("link"):
        assert link["href"] == "data:,"
    assert all(header["scope"] in {"row", "col"} for header in reader.all("th"))
    assert html.count("<table") == html.count("<caption")
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    targets = {(a["href"] or "")[1:] for a in reader.all("a") if (a["href"] or "").startswith("#")}
    assert targets <= ids
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def twin(path: Path) -> tuple[str, list[list[str]]]:
    """HTML, and the cells of every row, as another implementation of Markdown reads it."""
    text = path.read_text(encoding="utf-8")
    return markdown_html(text), markdown_rows(text)


@pytest.mark.parametrize("name", ["hostile", "perfect"])
def test_the_twin_holds_the_numbers_of_the_page(root: Path, name: str) -> None:
    html, rows = twin(root / "reports" / name / "README.md")
    metrics = read_json(root / "reports" / name / "metrics.json")
    for model, key in (("winner", "test"), ("baseline", "baseline_test")):
        for score, label in (("accuracy", "accuracy"), ("macro_f1", "macro F1")):
            mean = next(row[2] for row in rows if row[:2] == [label, model])
            assert mean.split(" [")[0].split(" (")[0] == formatting.percent(metrics[key][score])
    shown = {row[0]: row[1] for row in rows if row[0] in ("false positives", "PPV")}
    s = metrics["screening"]
    told = [float(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", shown["false positives"])]
    ends = [s[f"false_positives{end}"] for end in ("", "_low", "_high")]
    assert told == pytest.approx([end for end in ends if end is not None], abs=1)  # one holds six digits, one none
    assert [row[0] for row in rows].count("winner") >= 2 * metrics["n_seeds"]  # every run, and its MLflow run
    page = (root / "reports" / name / "index.html").read_text(encoding="utf-8")
    said = re.findall(r'<p class="answer">(.*?)</p>', page)[0]
    assert unescape(said) in unescape(re.sub("<[^>]*>", "", html))


def test_the_twins_show_hostile_names_as_text_and_link_to_what_is_there(root: Path) -> None:
    html, rows = twin(root / "reports/hostile/README.md")
    assert all([row[0] for row in rows].count(name) == 3 for name in contract_data.HOSTILE)
    assert "<script" not in html
    summarised, _ = twin(root / "reports/README.md")
    for folder, text in ((root / "reports/hostile", html), (root / "reports", summarised)):
        links = [a["href"] or "" for a in read(text).all("a")]
        files = [link for link in links if "://" not in link]
        assert len(files) > 2
        assert all((folder / link).is_file() for link in files)
        assert not re.search("<(?!/?(h[1-6]|p|a|ul|li|table|thead|tbody|tr|th|td|strong|code|blockquote|pre)\\b)", text)


def test_the_guidelines_are_linked_or_missing_with_a_reason(root: Path) -> None:
    html = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    items = checklist.content(screening=True)
    assert len({item.asked for item in items}) == len(items) > 30
    ids = {attributes.get("id") for _, attributes in read(html).tags}
    assert {item.anchor for item in items if item.anchor} <= ids
    assert all(item.note for item in items if not item.anchor)
    assert html.count("<strong>missing</strong>: ") == sum(not item.anchor for item in items)
    assert not [
        item for item in checklist.content(screening=False) if item.anchor == "screening" or item[2:] == ("", "")
    ]
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
    found, evaluation = SearchResult.read(root / "data/search/single"), Evaluation.read(root / "data/evaluate/single")
    layout = Layout(root)
    searched, evaluated = (
        SearchRuns.read(layout.search_runs("single")),
        EvaluationRuns.read(layout.evaluation_runs("single")),
    )
    runs = section.content(found, evaluation, (searched, evaluated), 1, uri)["runs"]
    ids = [searched.run_id, *(run.run_id for run in evaluated.retrainings)]
    assert [run_id for _, _, run_id, _ in runs] == ids
    assert [link for *_, link in runs] == [shown and f"{shown}{run_id}" for run_id in ids]


def test_the_summary_gets_every_prediction_of_the_winner(root: Path) -> None:
    handed = pd.read_csv(root / "data/report/hostile/test.csv", dtype={"sample": str}).set_index("sample")
    table = pd.read_csv(root / "data/evaluate/hostile/predictions.csv", dtype={"sample": str})
    test = table[(table["part"] == "test") & (table["model"] == "winner")]
    wide = test.pivot(index="sample", columns="seed", values="predicted").add_prefix("seed ")
    pd.testing.assert_frame_equal(handed[list(wide)], wide, check_names=False)
    groups = test.drop_duplicates("sample").set_index("sample")["group"]
    assert (handed["group"].nunique(), len(handed)) == (groups.nunique(), len(groups))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_summary_compares_what_shares_a_test_part(root: Path, tmp_path: Path, n: int) -> None:
    """perfect and single are on one data set with different test parts; the copies of hostile share theirs."""
    names = ["single", "perfect", "hostile", "copy", "other"][:n]
    layout, copy = Layout(root), Layout(tmp_path)
    for name in names:
        source = "hostile" if name in ("copy", "other") else name
        shutil.copytree(layout.report_numbers(source), copy.report_numbers(name))
        (copy.reports() / name).mkdir(parents=True)
        for path in (Layout.search_runs, Layout.evaluation_runs):
            path(copy, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path(layout, source), path(copy, name))
    if n == 5:  # wrong everywhere
        table = pd.read_csv(tmp_path / "data/report/other/test.csv", dtype={"sample": str})
        seeds = [column for column in table if column.startswith("seed ")]
        table[seeds] = np.tile((table[["label"]].to_numpy() + 1) % 3, len(seeds))
        table.to_csv(tmp_path / "data/report/other/test.csv", index=False)
    summary.write_summary(copy, names)
    html = (tmp_path / "reports/index.html").read_text(encoding="utf-8")
    _, rows = twin(tmp_path / "reports/README.md")
    pairs = [row for row in rows if "−" in row[0]]
    assert html.count("not compared") == (n > 1)
    assert ('id="pairs"' in html) == (n > 1)
    assert len(pairs) == (3 if n == 5 else 0)
    if n == 5:
        accuracy = read_json(root / "data/report/hostile/numbers.json")["metrics"]["test"]["accuracy"]
        same = ["+0.0 [+0.0, +0.0]"] * 2
        assert pairs[0] == ["hostile − copy", "odd", "110 (100)", *same, "p = 1.00", "p = 1.00"]
        assert pairs[1][0] == "hostile − other"
        assert pairs[1][3].startswith(f"+{100 * accuracy:.1f} [")
        assert pairs[1][5:] == ["p < 0.001", "p < 0.001"]


def test_links_of_the_summary_lead_somewhere(root: Path) -> None:
    html = (root / "reports/index.html").read_text(encoding="utf-8")
    for link in read(html).all("a"):
        file, _, anchor = (link["href"] or "").partition("#")
        if file.startswith("data/"):  # explore writes it
            assert file in {"data/odd/index.html", "data/mri/index.html"}
        elif file:
            assert (root / "reports" / file).is_file()
            assert not anchor or f'id="{anchor}"' in (root / "reports" / file).read_text(encoding="utf-8")


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


def test_the_policy_allows_the_script_of_the_page_and_no_other(page: str, root: Path) -> None:
    script = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "script" not in (root / "reports/index.html").read_text(encoding="utf-8")


def test_the_panel_starts_from_the_frozen_decision(page: str, root: Path) -> None:
    data = json.loads(re.findall(r'id="explore-data">(.*?)</script>', page)[0])
    decision = analysis.decide(Evaluation.read(root / "data/evaluate/hostile"), "winner", 21.97, 100_000)
    assert (data["sensitivity"], data["specificity"]) == (
        decision.operation.sensitivity,
        decision.operation.specificity,
    )
    assert (data["n_diseased"], data["n_healthy"]) == (decision.operation.n_diseased, decision.operation.n_healthy)
    steps, sizes = np.array(data["diseased"]).transpose(1, 0, 2)  # of the groups
    reached = np.cumsum(steps, axis=1) >= 0.4e6
    assert (reached / sizes).sum() / len(sizes) / data["n_diseased"] == pytest.approx(data["sensitivity"])
    assert re.findall(r'id="explore"[^>]*>', page)[0].endswith("hidden>")  # without JavaScript it stays away


def cells(path: str) -> int:
    """The area of an outline, drawn as rectangles."""
    return sum(int(w) * int(h) for w, h in re.findall(r"h(\d+)v(\d+)", path))


@pytest.mark.parametrize("name", ["hostile", "perfect", "single"])
def test_every_person_stands_in_the_section_without_a_script(root: Path, name: str) -> None:
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
        found = formatting.count(s["prevalence_per_100k"] - s["false_negatives"])
        assert people["fp"] == round(s["false_positives"])
        assert people["fn"] == round(s["false_negatives"])
        assert f"Of {people['tp'] + people['fp']:,} people called positive, about {found} are diseased." in html


@pytest.mark.parametrize("name", ["hostile", "perfect"])
def test_the_twin_shows_the_people_as_letters(root: Path, name: str) -> None:
    html, rows = twin(root / "reports" / name / "README.md")
    people = {r[0]: int(r[1].split()[-1].replace(",", "")) for r in rows if r[0] in ("D", "M", "o", ".")}
    whole, enlarged = (block.split("\n") for block in re.findall(r"<pre><code[^>]*>(.*?)\n</code>", html, re.DOTALL))
    assert [len(row) for row in whole] == [40] * 25
    letters = "".join(whole)
    assert all(0 <= n - 100 * letters.count(letter) < 200 for letter, n in people.items())
    assert 100 * letters.count("+") == sum(n - 100 * letters.count(letter) for letter, n in people.items())
    near = "".join(enlarged).replace(" ", "")
    assert len(near) == 400
    assert (near.count("D"), near.count("M")) == (people["D"], people["M"])


def test_an_outline_goes_around_every_person_once() -> None:
    seen = np.zeros((250, 400), dtype=int)
    ends = [0, 1, 9, 10, 25, 99, 100, 345, 4_000, 4_001, 12_345, 99_999, 100_000]
    for first, end in itertools.pairwise(ends):
        for x, y, w, h in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", outline(first, end)):
            seen[int(y) : int(y) + int(h), int(x) : int(x) + int(w)] += 1
        assert seen.sum() == end
    assert (seen == 1).all()
    assert outline(5, 5) == ""


def test_calibration_is_shown_where_the_test_groups_suffice(root: Path, tmp_path: Path) -> None:
    evaluation = Evaluation.read(root / "data/evaluate/single")
    found = calibrate(evaluation, 20, np.random.default_rng(0))
    assert found is not None
    assert found.n_bins == 5  # 100 groups, 20 a bin
    part = evaluation.parts["test"]
    top, right = part.models["winner"].probabilities[0].max(axis=1), part.models["winner"].predicted[0] == part.labels
    assert found.errors["winner"][0] == pytest.approx(calibration_error(top, right, 5))
    few = contract_data.with_parts(MRI, train=(90, 90), val=(90, 90), test=(90, 90))
    html = (make(tmp_path, "few", few, n_seeds=2) / "index.html").read_text(encoding="utf-8")
    assert "take 100 test groups" in html
    assert "expected calibration error" not in html


def test_the_area_has_an_interval_where_both_sides_suffice(root: Path) -> None:
    evaluation = Evaluation.read(root / "data/evaluate/hostile")
    part = evaluation.parts["test"]
    found = discriminate(evaluation, 500, np.random.default_rng(0))
    expected = [reference.roc_auc_score(part.positive, score) for score in part.models["winner"].positive_score]
    assert found.seeds["winner"] == pytest.approx(expected)
    low, high = found.means["winner"].low, found.means["winner"].high
    assert low is not None
    assert high is not None
    assert low < np.mean(expected) < high
    dataset = evaluation.dataset.model_copy(update={"positive": []})
    info = evaluation.info.model_copy(update={"dataset": dataset})
    many = discriminate(replace(evaluation, info=info), 500, np.random.default_rng(0))
    macro = [reference.roc_auc_score(part.labels, p, multi_class="ovr") for p in part.models["winner"].probabilities]
    assert many.seeds["winner"] == pytest.approx(macro)
    perfect = discriminate(Evaluation.read(root / "data/evaluate/perfect"), 200, np.random.default_rng(0))
    assert perfect.means["winner"] == Estimate(1.0, pytest.approx(0.05 ** (1 / perfect.n_groups)), None)
    tiny = replace(part, groups=np.minimum(part.groups, 5))
    few = replace(evaluation)
    few.__dict__["parts"] = {"test": tiny}  # in place of the cached property
    bare = discriminate(few, 200, np.random.default_rng(0))
    assert (bare.means["winner"].low, bare.means["winner"].high) == (None, None)


def test_pages_say_what_the_screening_is(root: Path, page: str) -> None:
    assert "An illustration without medical meaning" in page
    assert "not a medical device" not in page
    medical = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    assert "Research only, not a medical device" in medical
    assert "illustration" not in medical


def test_every_trial_is_on_the_page(page: str) -> None:
    rows = re.findall(r'<tr[^>]*>\s*<th scope="row">(\d+)</th>(.*?)</tr>', page, flags=re.DOTALL)
    states = {int(number): re.findall(r"<td>(.*?)</td>", cells)[:2] for number, cells in rows}
    assert len(states) == 12
    assert states[3][0] == "pruned"
    assert states[5] == ["failed", ""]


def test_a_page_leaves_out_what_an_experiment_does_not_have(tmp_path: Path) -> None:
    info = contract_data.dataset_info("plain", ["a", "b", "c", "d", "e"], [])
    out = make(tmp_path, "plain", info, n_seeds=2, bare=True)
    html = (out / "index.html").read_text(encoding="utf-8")
    assert 'id="screening"' not in html
    assert "screening" not in read_json(out / "metrics.json")
    for told in ("No Grad-CAM", "Nothing to show: the first layer", "Not listed: no &lt;reason&gt;."):
        assert told in html
    summary.write_summary(Layout(tmp_path), ["plain"])
    assert "No data set with a positive class" in (tmp_path / "reports/index.html").read_text(encoding="utf-8")


def test_the_same_files_make_the_same_report_and_old_figures_go(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    out = tmp_path / "reports/single"
    (out / "figures").mkdir(parents=True)
    (out / "figures/stale.png").touch()
    experiment_page.write_experiment_page(Layout(tmp_path), "single", SETTINGS)
    assert not (out / "figures/stale.png").exists()
    first = root / "reports/single"
    files = sorted(path.relative_to(first) for path in first.rglob("*.*"))
    assert len(files) > 8
    for name in files:
        assert (out / name).read_bytes() == (first / name).read_bytes(), name


def test_damaged_predictions_are_refused(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(root / "data/evaluate/single", folder)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    for damage, reason in (
        (table.iloc[1:], "not the same images|incomplete"),
        (table[table["part"] != "test"], "incomplete"),
        (table.drop(columns="p_tumor"), "damaged"),
        (table.assign(sample=np.where(table.index == 0, "strange", table["sample"])), "do not fit together"),
    ):
        damage.to_csv(folder / "predictions.csv", index=False)
        with pytest.raises(DataError, match=reason):
            Evaluation.read(folder)


def test_compare_counts_groups(root: Path) -> None:
    found = analysis.compare(Evaluation.read(root / "data/evaluate/single"))
    table = pd.read_csv(root / "data/evaluate/single/predictions.csv", dtype={"sample": str})
    test = table[table["part"] == "test"]
    right = (test["predicted"] == test["label"]).groupby([test["model"], test["sample"]]).first().unstack(0)
    b = int((right["winner"] & ~right["baseline"]).sum())
    c = int((~right["winner"] & right["baseline"]).sum())
    assert found.pairs == [(100, 100, b, c, pytest.approx(binomtest(b, b + c).pvalue), pytest.approx(found.p))]


def test_operating_curves_equal_scikit_learn(root: Path) -> None:
    part = Evaluation.read(root / "data/evaluate/hostile").parts["test"]
    for (sensitivity, specificity), score in zip(
        analysis.operating_curves(part, "winner"), part.models["winner"].positive_score, strict=True
    ):
        copies = pd.Series(part.groups).groupby([part.positive, part.groups]).transform("size")  # a group counts once
        fpr, tpr, _ = reference.roc_curve(part.positive, score, sample_weight=1 / copies, drop_intermediate=False)
        np.testing.assert_allclose(sensitivity, tpr, atol=1e-12)
        np.testing.assert_allclose(specificity, 1 - fpr, atol=1e-12)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.percent(0.9996), ">99.9 %"),
        (formatting.percent(1.0), "100.0 %"),
        (formatting.percent(0.0001), "<0.1 %"),
        (formatting.percent(0.0), "0.0 %"),
        (formatting.percent_estimate(Estimate(0.98, 0.9429, 0.9932)), "98.0 % [94.3, 99.3]"),
        (formatting.percent_estimate(Estimate(1.0, 0.98, None)), "100.0 % (at least 98.0 %)"),
        (formatting.percent_estimate(Estimate(1.0, None, None)), "100.0 % (no interval)"),
        (formatting.percent_estimate(Estimate(None, None, None)), "cannot be estimated"),
        (formatting.count_estimate(Estimate(1333.04, 162.4, 4732.2)), "1,333 [162, 4,732]"),
        (formatting.count_estimate(Estimate(None, None, 1976.6)), "at most 1,977"),
        (formatting.count_estimate(Estimate(0.4394, 0.15, 1.26)), "0.44 [0.15, 1.3]"),
        (formatting.points_estimate(Estimate(-0.012, -0.02, 0.004)), "−1.2 [−2.0, +0.4]"),
        (formatting.p_value(0.0004), "p < 0.001"),
        (formatting.p_value(0.0123), "p = 0.012"),
        (formatting.duration(5_400), "1.5 h"),
    ],
)
def test_numbers_as_shown(shown: str, expected: str) -> None:
    assert shown == expected


def test_reports_need_no_training_library() -> None:
    code = (
        "import sys, pipeline.stages.report, pipeline.stages.summary, pipeline.stages.explore;"
        "print({'torch', 'mlflow', 'optuna', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_page_looks_inside(page: str, root: Path) -> None:
    section = page[page.index('id="inside"') : page.index('id="reproduce"')]
    assert section.count("<img") == 4
    assert all(not figure.startswith(' class="drawn"') for figure in section.split("<figure")[1:])
    assert "seed 100: the best on val" in section
    assert "only width, border SD, fitted on train" in section
    assert "No shortcut of this kind" in section
    assert "2 layers, 160 parameters" in section
    size = sum(path.stat().st_size for path in (root / "reports/hostile/figures").iterdir())
    assert size < 1_500_000


def test_a_shortcut_is_told_with_its_share(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(root / "data/evaluate/single", folder)
    table = pd.read_csv(folder / "explanations/metadata_baseline.csv", dtype={"sample": str, "group": str})
    table["predicted"] = np.where(np.arange(len(table)) % 10, table["label"], 1 - table["label"])  # right in 9 of 10
    table.to_csv(folder / "explanations/metadata_baseline.csv", index=False)
    evaluation = Evaluation.read(folder)
    scores = analysis.score_test_part(evaluation, 200, np.random.default_rng(0))
    found = insights.content(
        Explanations.read(folder / "explanations", evaluation), evaluation, scores, 500, np.random.default_rng(0)
    )
    winner = scores.means["accuracy"]["winner"].value
    assert winner is not None
    commonest = (table["label"] == np.bincount(evaluation.parts["train"].labels).argmax()).mean()
    share = (0.9 - commonest) / (winner - commonest)
    assert found["shortcut"]["way"] == ("all" if share >= 1 else formatting.percent(share, 0))
    assert found["shortcut"]["base"] == formatting.percent(float(commonest))
    low, high = binomtest(90, 100).proportion_ci(method="wilson")
    estimate = analysis.score_predictions(
        table["label"].to_numpy(), table["predicted"].to_numpy()[None], table["group"].to_numpy(), 2, 2000,
        np.random.default_rng(0),
    )["accuracy"]  # fmt: skip
    assert (estimate.value, estimate.low, estimate.high) == (
        0.9,
        pytest.approx(low, abs=0.03),
        pytest.approx(high, abs=0.03),
    )


@pytest.mark.parametrize(
    "file", ["explanations.json", "examples.csv", "images.npy", "maps.npy", "metadata_baseline.csv"]
)
def test_missing_or_foreign_insights_are_refused(root: Path, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(root / "data/evaluate/single", folder)
    evaluation = Evaluation.read(folder)
    path = folder / "explanations" / file
    path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        Explanations.read(folder / "explanations", evaluation)
    path.unlink()
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        Explanations.read(folder / "explanations", evaluation)
    shutil.rmtree(folder / "explanations")
    shutil.copytree(root / "data/evaluate/hostile/explanations", folder / "explanations")
    with pytest.raises(DataError, match="run evaluate again"):
        Explanations.read(folder / "explanations", evaluation)


def test_bars_show_the_likeliest_classes_and_always_the_truth() -> None:
    p = np.array([0.3, 0.25, 0.2, 0.15, 0.06, 0.04])
    example = Example(np.zeros((2, 2, 1), np.uint8), None, 5, 0, p)
    shown = bars(example, ["a", "b", "c", "d", "e", "f"])
    assert [name for name, _, _ in shown] == ["a", "b", "c", "f", "2 others"]
    assert [value for _, value, _ in shown] == pytest.approx([0.3, 0.25, 0.2, 0.04, 0.21])
    assert [color for _, _, color in shown] == [ORANGE, GREY, GREY, BLUE, GREY]


@pytest.mark.slow
def test_a_large_experiment_is_no_matter_of_minutes(tmp_path: Path) -> None:
    """600,000 rows of ten probabilities; CPU time, with room for a busy machine: it takes a quarter of it."""
    info = contract_data.big_info(train=45_000, val=5_000, test=10_000)
    layout = contract_data.write_experiment(tmp_path, "big", info, n_seeds=5)
    start = time.process_time()
    experiment_page.write_experiment_page(layout, "big", SETTINGS)
    assert time.process_time() - start < 60
