"""Cross-validation by group: who is held out, what the trainings see, and what is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.cross_validation import COPIES, GROUP, CrossValidation
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.predictions import probability_columns
from pipeline.artifacts.samples import COLUMNS, Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.errors import DataError
from pipeline.evaluation import cross_validation
from pipeline.evaluation.cross_validation import Fold, draw_folds
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import evaluate

PARTS = ["train"] * 70 + ["val"] * 15 + ["test"] * 15


def parts_of_patients(n_patients: int = 100, seed: int = 0) -> tuple[Samples, Samples]:
    """Return development and test of three classes: patients of one to four groups of copies, each of one to three."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        for copies in range(rng.integers(1, 5)):
            rows += [(patient, f"{patient:03}-{copies}")] * int(rng.integers(1, 4))
    table = pd.DataFrame(rows, columns=["patient", "copies"])
    table["group"] = table["patient"].map("{:03}-0".format)
    table["label"] = table["patient"] % 3
    table["part"] = table["patient"].map(lambda patient: PARTS[patient * 37 % n_patients])
    table["sample"] = [f"{row:012x}" for row in range(len(table))]
    table["sha256"] = table["sample"]
    table["class"] = table["label"].map(str)
    for name in set(COLUMNS) - set(table.columns):
        table[name] = 8 if name in ("width", "height") else ""
    images = rng.integers(0, 256, (len(table), 8, 8, 1), dtype=np.uint8)
    info = contract_data.dataset_info("patients", ["0", "1", "2"], [])
    in_test = (table["part"] == "test").to_numpy()
    development, test = (
        Samples(images[rows], table[rows][list(COLUMNS)].reset_index(drop=True), info) for rows in (~in_test, in_test)
    )
    return development, test


def held_out(fold: Fold) -> set[str]:
    table = fold.samples.table
    return set(table.loc[table["part"] == "test", "sample"])


@pytest.mark.parametrize("seed", range(5))
def test_every_image_is_held_out_once_and_no_group_is_divided(seed: int) -> None:
    development, test = parts_of_patients(seed=seed)
    everything = set(development.table["sample"]) | set(test.table["sample"])
    folds = draw_folds(development, test, 5, seed)
    assert [(fold.by, fold.number) for fold in folds] == [(by, n) for by in (GROUP, COPIES) for n in range(1, 6)]
    for by in (GROUP, COPIES):
        samples = [held_out(fold) for fold in folds if fold.by == by]
        assert set().union(*samples) == everything
        assert sum(map(len, samples)) == len(everything)
    for fold in folds:
        table = fold.samples.table
        assert set(table["sample"]) == everything
        assert (table.groupby(fold.by)["part"].nunique() == 1).all()
        assert (table.groupby("part")["label"].nunique() == 3).all()
        sizes = table["part"].value_counts()
        assert 0.08 < sizes["val"] / (sizes["train"] + sizes["val"]) < 0.3
        assert 0.08 < sizes["test"] / len(table) < 0.32
    by_copies = [fold.samples.table for fold in folds if fold.by == COPIES]
    assert any((table.groupby("group")["part"].nunique() > 1).any() for table in by_copies)


def test_the_first_fold_is_the_sealed_split() -> None:
    development, test = parts_of_patients()
    first = draw_folds(development, test, 5, 1)[0]
    expected = pd.concat([development.table, test.table], ignore_index=True)
    pd.testing.assert_frame_equal(first.samples.table, expected)


def test_equal_arguments_give_equal_folds_and_another_seed_gives_others() -> None:
    development, test = parts_of_patients()
    one, again, other = (draw_folds(development, test, 5, seed) for seed in (1, 1, 2))
    assert [held_out(fold) for fold in one] == [held_out(fold) for fold in again]
    assert [held_out(fold) for fold in one[1:]] != [held_out(fold) for fold in other[1:]]


def test_folds_by_copies_are_drawn_only_where_patients_are_known() -> None:
    development, test = parts_of_patients()
    for samples in (development, test):
        samples.table["copies"] = samples.table["group"]
    assert {fold.by for fold in draw_folds(development, test, 4, 1)} == {GROUP}


def test_no_folds_for_a_kept_test_part_too_few_groups_or_too_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    development, test = parts_of_patients()
    assert draw_folds(development, test, None, 1) == []
    official = development.info.model_copy(update={"keeps_official_test": True})
    assert draw_folds(replace(development, info=official), test, 5, 1) == []
    assert draw_folds(*parts_of_patients(n_patients=100), 34, 1) == []  # a class has 33 groups
    monkeypatch.setattr(cross_validation, "MAX_BYTES", 100)
    assert draw_folds(development, test, 5, 1) == []


def test_a_group_in_two_parts_is_refused() -> None:
    development, test = parts_of_patients()
    development.table.loc[0, "group"] = test.table.loc[0, "group"]
    with pytest.raises(DataError):
        draw_folds(development, test, 5, 1)


def run(root: Path, digits_folder: Path, n_folds: int | None) -> tuple[Evaluation, CrossValidation]:
    layout = Layout(root)
    if not layout.experiment_file("quick").exists():
        contract_data.project(root, digits_folder, "")
    contract_data.write_search(layout, "quick", Samples.read(layout.test("digits")).info)
    config = {"model": "mlp", "n_epochs": 2, "batch_size": 64, "lr": 0.01}
    result = replace(SearchResult.read(layout.search("quick")), winner=config, baseline={**config, "lr": 0.001})
    result.write(layout.search("quick"))
    settings = EvaluateSettings(n_seeds=2, min_sensitivity=0.9, folds=n_folds)
    evaluate.run(layout, "quick", "digits", Workspace(root, SearchSettings(workers=2)), settings)
    return Evaluation.read(layout.evaluate("quick")), CrossValidation.read(layout.evaluate("quick") / "folds")


@pytest.mark.slow
def test_digits_are_predicted_once_by_models_that_saw_none_of_them(digits_folder: Path, tmp_path: Path) -> None:
    evaluation, folds = run(tmp_path, digits_folder, 3)
    assert folds.partitions == [GROUP]
    assert [(r.fold, r.model) for r in folds.info.runs] == [
        (fold, model) for fold in (1, 2, 3) for model in ("winner", "winner", "baseline")
    ]
    assert {r.n_seen for r in folds.info.runs} == {0}
    assert not (tmp_path / ".state/evaluate/folds").exists() or not list((tmp_path / ".state/evaluate/folds").iterdir())
    winner, everything = folds.of(GROUP, "winner"), evaluation.predictions
    assert winner.part.labels.size == everything["sample"].nunique() == 1797
    assert winner.predicted.shape == (2, 1797)
    assert ((winner.predicted == winner.part.labels).mean(axis=1) > 0.6).all()

    # the sealed fold holds the predictions of the evaluation
    columns = ["seed", "sample", "label", "predicted", *probability_columns(evaluation.classes)]
    sealed = folds.predictions.query("fold == 1 and model == 'winner'")[columns]
    expected = everything.query("part == 'test' and model == 'winner'")[columns].astype({"sample": str})
    keys = ["seed", "sample"]
    pd.testing.assert_frame_equal(
        sealed.sort_values(keys).reset_index(drop=True), expected.sort_values(keys).reset_index(drop=True)
    )
    doubts = winner.doubts
    assert len(folds.in_doubt) == 24
    assert (doubts.margin[doubts.order[:24]] < 0.5).all()

    before = (tmp_path / "data/evaluate/quick/folds/predictions.csv").read_bytes()
    evaluate_again, _ = run(tmp_path, digits_folder, 3)
    assert evaluate_again.info == evaluation.info
    assert (tmp_path / "data/evaluate/quick/folds/predictions.csv").read_bytes() == before


@pytest.mark.slow
def test_without_folds_the_artifact_is_empty(digits_folder: Path, tmp_path: Path) -> None:
    _, folds = run(tmp_path, digits_folder, None)
    assert folds.partitions == []
    assert len(folds.in_doubt) == len(folds.predictions) == 0
