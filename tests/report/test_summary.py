import shutil
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from conftest import markdown_rows
from evaluation_examples import once_per_group
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import SHARED
from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.report.summary import compare_pairs
from pipeline.stages import summary

K = 3


def predictions(error: float, seeds: tuple[int, ...] = (1, 2), n: int = 240) -> pd.DataFrame:
    """Wrong with probability `error`; groups of one to three images, the same ones for every call."""
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, n // 2, n))
    labels = groups % K
    samples = np.array([f"{i:012d}" for i in range(n)])
    rng = np.random.default_rng(int(1000 * error))
    predicted = {s: np.where(rng.random(n) < error, (labels + 1) % K, labels) for s in seeds}
    shared = dict(zip(SHARED, (samples, groups, labels), strict=True))
    return pd.DataFrame(shared | {f"seed {s}": predicted for s, predicted in predicted.items()})


def test_a_pair_equals_the_direct_computation() -> None:
    tables = {name: predictions(error) for name, error in (("a", 0.1), ("b", 0.3))}
    compared, refused = compare_pairs(tables, K, np.random.default_rng(0))
    assert refused == []
    (pair,) = compared
    a, b = tables["a"], tables["b"]
    once = once_per_group(a)
    for name, score in (("accuracy", accuracy_score), ("macro_f1", partial(f1_score, average="macro"))):
        means = [np.mean([score(t["label"], t[f"seed {s}"], sample_weight=once) for s in (1, 2)]) for t in (a, b)]
        assert pair.difference[name].value == pytest.approx(means[0] - means[1])
    right = [np.mean([t[f"seed {s}"] == t["label"] for s in (1, 2)], axis=0) for t in (a, b)]
    lead = pd.Series(right[0] - right[1]).groupby(a["group"].to_numpy())
    pairs = pd.DataFrame({"group": a["group"], "lead": (right[0] - right[1]) * once, "once": once}).groupby("group")
    total, size = pairs["lead"].sum().to_numpy(), pairs["once"].sum().to_numpy()
    stratum = a.groupby("group")["label"].first().to_numpy()
    rng, draws = np.random.default_rng(1), []
    for _ in range(2000):  # the ratio of the sums of whole groups, as many of each class as there are
        members = np.concatenate([rng.choice(np.flatnonzero(stratum == k), (stratum == k).sum()) for k in range(K)])
        draws.append(total[members].sum() / size[members].sum())
    ends = [pair.difference["accuracy"].low, pair.difference["accuracy"].high]
    assert ends == pytest.approx(np.quantile(draws, [0.025, 0.975]).tolist(), abs=0.01)
    by_group = lead.mean()
    assert pair.test.difference.value == pytest.approx(by_group.mean())
    signs = np.random.default_rng(2).choice([-1, 1], (20_000, len(by_group)))
    p = np.mean(np.abs(signs @ by_group) >= abs(by_group.sum()) - 1e-9)
    assert pair.test.p == pytest.approx(p, abs=0.005)
    assert (pair.n_images, pair.n_groups) == (240, a["group"].nunique())


def test_equal_winners_do_not_differ() -> None:
    table = predictions(0.2)
    (pair,), _ = compare_pairs({"a": table, "again": table}, K, np.random.default_rng(0))
    for difference in pair.difference.values():  # other seeds would differ
        assert difference.value == 0
        assert difference.low == pytest.approx(-(difference.high or 0))
    assert pair.test.p == 1


@pytest.mark.parametrize("column", SHARED)
def test_other_test_parts_are_refused(column: str) -> None:
    table = predictions(0.2)
    other = table.copy()
    other.loc[5, column] = other.loc[5, column] * 2 if column == "sample" else (other.loc[5, column] + 1) % K
    tables = {"a": table, "b": other, "c": table}
    compared, refused = compare_pairs(tables, K, np.random.default_rng(0))
    assert [(pair.first, pair.second) for pair in compared] == [("a", "c")]
    assert refused == [("a", "b"), ("b", "c")]


def test_every_two_of_five_with_other_numbers_of_seeds() -> None:
    errors = {"a": 0.05, "b": 0.1, "c": 0.2, "d": 0.3, "e": 0.4}
    tables = {name: predictions(e, tuple(range(1 + i))) for i, (name, e) in enumerate(errors.items())}
    compared, _ = compare_pairs(tables, K, np.random.default_rng(0))
    assert len(compared) == 10
    value = {(pair.first, pair.second): pair.difference["accuracy"].value or 0.0 for pair in compared}
    assert all(value[first, second] > 0 for first, second in pairwise(errors))
    assert value["a", "e"] == pytest.approx(value["a", "c"] + value["c", "e"])


def test_what_has_no_report_is_named_and_left_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, copy = Layout(root), Layout(tmp_path)
    with pytest.raises(InputError, match="no experiment has a report; run: dvc repro report@gone"):
        summary.run(copy, ["gone"])
    shutil.copytree(layout.report_numbers("single"), copy.report_numbers("single"))
    for path in (Layout.search_runs, Layout.evaluation_runs):
        path(copy, "single").parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path(layout, "single"), path(copy, "single"))
    summary.run(copy, ["single", "gone"])
    assert "not reported, and not in the summary: gone" in capsys.readouterr().out
    assert "Not reported, and not in the tables: gone." in (copy.reports() / "README.md").read_text()
    assert list(read_json(copy.reports() / "metrics.json")) == ["single"]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_summary_compares_what_shares_a_test_part(root: Path, tmp_path: Path, n: int) -> None:
    """The experiments perfect and single share a data set but no test part; the copies of hostile share theirs."""
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
    summary.run(copy, names)
    html = (tmp_path / "reports/index.html").read_text(encoding="utf-8")
    rows = markdown_rows((tmp_path / "reports/README.md").read_text(encoding="utf-8"))
    shown = [row for row in rows if "−" in row[0]]
    assert html.count("not compared") == (n > 1)
    assert ('id="experiments-on-one-data-set"' in html) == (n > 1)
    assert len(shown) == (3 if n == 5 else 0)
    if n == 5:
        accuracy = read_json(root / "data/report/hostile/numbers.json")["metrics"]["test"]["accuracy"]
        assert shown[0][:3] == ["hostile − copy", "odd", "110 (100)"]
        assert all(cell.startswith("+0.0 [") for cell in shown[0][3:5])
        assert shown[0][5:] == ["+0.0 [+0.0, +0.0]", "p = 1.00", "p = 1.00"]
        assert shown[1][0] == "hostile − other"
        assert shown[1][3].startswith(f"+{100 * accuracy:.1f} [")
        assert shown[1][6:] == ["p < 0.001", "p < 0.001"]
