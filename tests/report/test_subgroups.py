from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from sklearn.metrics import accuracy_score, f1_score

import contract_data
from evaluation_examples import once_per_group
from pipeline.artifacts.evaluation import Evaluation
from pipeline.core.errors import DataError
from pipeline.report.analysis.scoring import score_predictions, score_test_part
from pipeline.report.sections.subgroups import (
    SourceRate,
    Subset,
    by_file,
    contrast_sentences,
    contrasts,
    official_test,
    rates_by_source,
    worst_and_best,
)
from pipeline.stages import report
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation

INFO = contract_data.dataset_info("mri", ["healthy", "tumor"], ["tumor"], medical=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contract_data.write_experiment(tmp_path_factory.mktemp("subsets"), "mri", INFO).evaluate("mri")


def with_files(evaluation: Evaluation, **columns: Any) -> Evaluation:
    return replace(evaluation, files=evaluation.files.assign(**columns))


def rows(folder: Path) -> pd.DataFrame:
    """Return the predictions of the winner with the columns of files.csv."""
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    return table[table["model"] == "winner"].merge(pd.read_csv(folder / "files.csv", dtype={"sample": str}))


def test_scores_by_file_are_those_of_its_rows(folder: Path) -> None:
    subsets = {(s.kind, s.value): s for s in by_file(Evaluation.read(folder), 1)}
    assert set(subsets) == {("format", "JPEG"), ("format", "PNG")}  # one mode and one size: nothing to compare
    test = rows(folder).query("part == 'test'")
    for (_, value), subset in subsets.items():
        part = test[test["format"] == value]
        assert subset.n_images == part["sample"].nunique()
        assert subset.n_groups == part["group"].nunique()
        by_seed = [seed for _, seed in part.groupby("seed")]
        runs = [(seed["label"], seed["predicted"], once_per_group(seed)) for seed in by_seed]
        f1 = np.mean([f1_score(label, predicted, average="macro", sample_weight=w) for label, predicted, w in runs])
        assert subset.macro_f1.value == pytest.approx(f1)
        accuracy = np.mean([accuracy_score(label, predicted, sample_weight=w) for label, predicted, w in runs])
        assert subset.accuracy.value == pytest.approx(accuracy)
        assert subset.macro_f1.low is not None
        assert subset.macro_f1.low < subset.macro_f1.value < (subset.macro_f1.high or 0)


def test_a_subset_of_one_class_is_scored_on_that_class(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    labels = dict(
        zip(
            np.concatenate([part.samples for part in evaluation.parts.values()]),
            np.concatenate([part.labels for part in evaluation.parts.values()]),
            strict=True,
        )
    )
    mode = evaluation.files["sample"].map(labels).map({0: "L", 1: "RGB"})
    subsets = [s for s in by_file(with_files(evaluation, mode=mode, format="JPEG"), 1) if s.kind == "mode"]
    assert [s.n_classes for s in subsets] == [1, 1]
    assert all(s.macro_f1.value is not None and s.macro_f1.value > 0.5 for s in subsets)  # not halved


def test_rates_by_source_count_units_and_are_those_of_the_rows(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    part, c = evaluation.parts["test"], 1
    of_class = part.labels == c
    sources = np.where(np.arange(part.labels.size) % 3, "Cheng", "elsewhere")
    right = part.models["winner"].predicted == c
    by_source = rates_by_source(right[:, of_class], part.groups[of_class], sources[of_class])
    table = rows(folder).query("part == 'test' and label == 1")
    table = table.merge(pd.DataFrame({"sample": part.samples, "source": sources}))
    assert [rate.source for rate in by_source] == ["Cheng", "elsewhere"]  # most units first
    for source, n_images, n_units, rate in by_source:
        of_source = table[table["source"] == source]
        shares = (of_source["predicted"] == c).groupby([of_source["seed"], of_source["group"]]).mean()
        assert rate.value == pytest.approx(shares.mean())
        assert n_units == of_source["group"].nunique()
        assert n_images == of_source["sample"].nunique()
        assert rate.low is not None
        assert rate.low < (rate.value or 0) < (rate.high or 1)
    assert rates_by_source(right[:, of_class], part.groups[of_class], np.full(of_class.sum(), "Cheng")) == []


def test_sources_with_few_units_are_not_compared() -> None:
    few, some, many = (
        SourceRate(f"{n}", n, n, Operation(p, p, n, n).rates()[0]) for n, p in ((9, 0.1), (10, 0.5), (60, 0.9))
    )
    assert worst_and_best([many, some, few]) == (some, many)
    assert worst_and_best([many, few]) is None


@pytest.fixture
def dependent(tmp_path: Path, show_only: Callable[..., None]) -> BeautifulSoup:
    """Return the page of a winner that finds all tumours of Cheng, 40 % of the others, and never errs else."""
    show_only("verdict", "subgroups")
    layout = contract_data.write_experiment(tmp_path, "mri", INFO, skill=(50.0, 2.0), origins=("cheng", ""))
    folder = layout.evaluate("mri")
    files = pd.read_csv(folder / "files.csv", keep_default_na=False, dtype=str)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    misses = table["sample"].isin(files.loc[files["origin"] == "", "sample"]) & table["label"].eq(1)
    misses &= table["model"].eq("winner") & (np.random.default_rng(0).random(len(table)) >= 0.4)
    table.loc[misses, ["predicted", "p_healthy", "p_tumor"]] = [0, 0.9, 0.1]
    table.to_csv(folder / "predictions.csv", index=False)
    report.run(layout, "mri", contract_data.SETTINGS)
    return BeautifulSoup((tmp_path / "reports/mri/index.html").read_text(encoding="utf-8"), "html.parser")


def test_a_class_missed_from_one_source_is_in_the_verdict(dependent: BeautifulSoup) -> None:
    verdict = dependent.select_one(".verdict")
    assert verdict
    assert "recall of tumor from elsewhere: " in verdict.text
    assert "recall of healthy" not in verdict.text
    tables = {table.caption.text.split(",")[0]: table for table in dependent.select("table") if table.caption}
    rows = tables["Recall by class and source"].select("tbody tr")
    shown = {(row[0], row[1]): row for row in ([cell.text for cell in tr.select("th, td")] for tr in rows)}
    assert len(shown) == len(rows) == 4
    assert shown["tumor", "Cheng"][4].startswith("100.0 %")
    assert 30 < float(shown["tumor", "elsewhere"][4].split(" %")[0]) < 50


def test_values_of_few_groups_stand_together(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    n = len(evaluation.files)
    mode = np.where(np.arange(n) % 2, "L", [f"mode-{i % 7}" for i in range(n)])
    subsets = [s for s in by_file(with_files(evaluation, mode=mode), 30) if s.kind == "mode"]
    assert [s.value for s in subsets] == ["L", "7 other modes"] or [s.value for s in subsets] == ["7 other modes", "L"]
    assert sum(s.n_images for s in subsets) == evaluation.parts["test"].labels.size


def test_a_single_value_of_few_groups_keeps_its_name(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    n = len(evaluation.files)
    mode = np.where(np.arange(n) % 40, "L", "rare")
    subsets = [s for s in by_file(with_files(evaluation, mode=mode), 30) if s.kind == "mode"]
    assert [s.value for s in subsets] == ["L", "rare"]


def test_all_images_together_score_as_the_test_part(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    test, winner = evaluation.parts["test"], evaluation.parts["test"].models["winner"].predicted
    of_all = score_test_part(evaluation)
    alone = score_predictions(test.labels, winner, test.groups, 2)
    for score, estimate in alone.items():
        assert astuple(estimate) == pytest.approx(astuple(of_all.means[score]["winner"]))


def test_the_official_test_part_is_split_into_seen_and_unseen(folder: Path) -> None:
    evaluation, table = Evaluation.read(folder), rows(folder)
    official = official_test(evaluation)
    assert official
    assert official.unseen
    theirs = table[table["official_part"] == "test"].drop_duplicates("sample")
    training = table.loc[table["official_part"] == "train", "group"]
    assert official.everything.n_images == len(theirs)
    assert official.unseen.n_images == (theirs["part"] == "test").sum()
    assert official.trained_on == pytest.approx((theirs["part"] == "train").mean())
    assert official.leaking == pytest.approx(theirs["group"].isin(training).mean())
    assert 0 < official.leaking < 1


def test_official_parts_that_are_kept_or_missing_are_not_judged(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    assert official_test(with_files(evaluation, official_part="")) is None
    dataset = INFO.model_copy(update={"keeps_official_test": True})
    kept = replace(evaluation, info=evaluation.info.model_copy(update={"dataset": dataset}))
    assert official_test(kept) is None


def test_a_missing_table_of_files_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name != "files.csv":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"files\.csv is missing or damaged; run evaluate again"):
        Evaluation.read(tmp_path)


def subset(kind: str, value: str, *recalls: tuple[int, int] | None) -> Subset:
    """recalls: groups subsets, groups, of each class."""
    known = [None if r is None else (Operation(r[0] / r[1], 0.5, r[1], 9).rates()[0], r[1]) for r in recalls]
    return Subset(kind, value, 9, 9, 2, Estimate(0.5, 0.4, 0.6), Estimate(0.5, 0.4, 0.6), known)


def test_a_class_missed_in_one_kind_of_file_is_named() -> None:
    large, small = subset("size", "512 x 512 px", (96, 100), (90, 100)), subset("size", "others", (3, 10), (80, 100))
    jpeg, none = subset("format", "JPEG", (1, 100), None), subset("size", "64 x 64 px", None, None)
    assert contrasts([small, large, jpeg, none], ["glioma", "healthy"]) == [("glioma", large, small)]
    (sentence,) = contrast_sentences([small, large, jpeg, none], ["glioma", "healthy"])
    assert sentence.startswith(
        "glioma is recognised in 96.0 % [89.7, 98.5] of the units of size 512 x 512 px (n = 100), but in 30.0 %"
    )
    assert sentence.endswith("of those of others (n = 10)")


def test_recalls_by_file_count_groups(folder: Path) -> None:
    test = rows(folder).query("part == 'test'")
    for subsets in by_file(Evaluation.read(folder), 1):
        part = test[test[subsets.kind] == subsets.value]
        for c, recall in enumerate(subsets.recalls):
            assert recall is not None
            of_class = part[part["label"] == c]
            share = (of_class["predicted"] == c).groupby([of_class["seed"], of_class["group"]]).mean().mean()
            assert recall[0].value == pytest.approx(share)
            assert recall[1] == of_class["group"].nunique()
