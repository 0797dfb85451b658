"""Cross-validation on the page: its numbers are those of an independent script, and it is absent without folds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.cross_validation import COPIES, GROUP, CrossValidation
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DataError
from pipeline.report.results import Results
from pipeline.report.sections import cross_validation, labels_in_doubt


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return contract_data.write_experiment(tmp_path_factory.mktemp("folds"), "mri", MRI)


@pytest.fixture(scope="module")
def results(layout: Layout) -> Results:
    return Results.read(layout, "mri", SETTINGS)


def independent(folder: Path, by: str, model: str) -> pd.DataFrame:
    """Return scores per seed and fold, fold 0 for all together, from the CSV file alone."""
    table = pd.read_csv(folder / "predictions.csv", dtype={"group": str}).query("by == @by and model == @model")
    rows = []
    for seed, run in table.groupby("seed"):
        for fold, held_out in [(0, run), *run.groupby("fold")]:
            weight = 1 / held_out.groupby(["group", "label"])["label"].transform("size")
            truth, guess = held_out["label"], held_out["predicted"]
            called = (held_out["p_tumor"] >= 0.4).astype(int)  # the threshold that all folds share here
            recalls = recall_score(truth, called, average=None, sample_weight=weight)
            rows.append(
                {
                    "seed": seed,
                    "fold": fold,
                    "accuracy": accuracy_score(truth, guess, sample_weight=weight),
                    "macro_f1": f1_score(truth, guess, average="macro", sample_weight=weight),
                    "sensitivity": recalls[1],
                    "specificity": recalls[0],
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("by", "model"), [(GROUP, "winner"), (GROUP, "baseline"), (COPIES, "winner")])
def test_the_numbers_are_those_of_an_independent_script(layout: Layout, results: Results, by: str, model: str) -> None:
    expected = independent(layout.evaluate("mri") / "folds", by, model)
    analysed = cross_validation.analyse(results, by, model)
    for name in ("accuracy", "macro_f1", "sensitivity", "specificity"):
        pooled = expected.query("fold == 0")[name].to_numpy()
        by_fold = expected.query("fold > 0").pivot(index="seed", columns="fold", values=name).to_numpy()
        np.testing.assert_allclose(analysed[name].pooled, pooled, rtol=1e-12)
        np.testing.assert_allclose(analysed[name].by_fold, by_fold, rtol=1e-12)


def test_a_unit_left_out_changes_the_score_as_if_it_had_never_been_there(results: Results) -> None:
    held_out = results.cross_validation.of(GROUP, "winner")
    accuracy = cross_validation.analyse(results, GROUP, "winner")["accuracy"]
    recall = {}
    for unit in (0, 17, 599):
        kept = held_out.part.groups != unit
        labels, predicted = held_out.part.labels[kept], held_out.predicted[:, kept]
        _, group, sizes = np.unique(held_out.part.groups[kept], return_inverse=True, return_counts=True)
        right = np.stack([np.bincount(group, row) for row in (predicted == labels).astype(float)]) / sizes
        of_unit = np.zeros(sizes.size, dtype=int)
        of_unit[group] = labels
        n_of_class = np.bincount(held_out.part.labels[np.unique(held_out.part.groups, return_index=True)[1]])
        recall[unit] = np.array([[row[of_unit == c].mean() for c in (0, 1)] for row in right]) @ n_of_class / 600
        np.testing.assert_allclose(accuracy.left_out[unit], recall[unit], rtol=1e-9)


def test_the_page_shows_folds_and_lesson(results: Results) -> None:
    shown = cross_validation.context(results)
    assert shown
    captions = [table.caption for table in shown["tables"]]
    assert "600 units, 660 images" in captions[0]
    folds = next(table for table in shown["tables"] if table.caption.startswith("Macro F1 of each"))
    assert [row[0] for row in folds.rows] == ["1, the test part", "2", "3", "4"]
    assert sum(int(str(row[1])) for row in folds.rows) == 600
    lesson = next(table for table in shown["tables"] if table.caption.startswith("Lesson"))
    assert [row[1] for row in lesson.rows] == ["0.0 %", "49.8 %"]


def test_recall_by_source_counts_each_group_once(layout: Layout) -> None:
    results = Results.read(layout, "mri", SETTINGS)
    held_out = results.cross_validation.of(GROUP, "winner")
    groups = dict(zip(held_out.part.samples, held_out.part.groups, strict=True))
    files = results.evaluation.files
    files["origin"] = np.where(files["sample"].map(groups) % 3 == 0, "cheng", "")
    shown = cross_validation.context(results)
    assert shown
    table = next(table for table in shown["tables"] if table.caption.startswith("Recall"))
    assert [row[:2] for row in table.rows] == [
        [name, source] for name in ("healthy", "tumor") for source in ("elsewhere", "Cheng")
    ]
    frame = pd.DataFrame({"group": held_out.part.groups, "label": held_out.part.labels})
    frame["right"] = (held_out.predicted == held_out.part.labels).mean(axis=0)
    first = frame[(frame["group"] % 3 == 0) & (frame["label"] == 0)].groupby("group")["right"].mean()
    assert table.rows[1][2] == f"{len(first)}"
    assert str(table.rows[1][4]).startswith(f"{100 * first.mean():.1f} %")


def test_labels_in_doubt_show_both_opinions(results: Results) -> None:
    shown = labels_in_doubt.context(results)
    assert shown
    listed = shown["tables"][-1]
    held_out = results.cross_validation.of(GROUP, "winner")
    assert len(listed.rows) == len(results.cross_validation.in_doubt) == 12
    p = held_out.part.models["winner"].probabilities.mean(axis=0)
    worst = int((p[np.arange(660), held_out.part.labels] - p[np.arange(660), 1 - held_out.part.labels]).argmin())
    assert listed.rows[0][1] == held_out.part.samples[worst]
    assert {listed.rows[0][2], listed.rows[0][4]} == {"healthy", "tumor"}


def test_without_folds_both_sections_are_absent(tmp_path: Path) -> None:
    layout = contract_data.write_experiment(tmp_path, "bare", MRI, bare=True)
    results = Results.read(layout, "bare", SETTINGS)
    assert cross_validation.context(results) is None
    assert labels_in_doubt.context(results) is None


@pytest.mark.parametrize("damage", ["twice", "missing"])
def test_images_that_differ_between_repeats_are_refused(layout: Layout, tmp_path: Path, damage: str) -> None:
    whole = CrossValidation.read(layout.evaluate("mri") / "folds")
    table = whole.predictions
    table = pd.concat([table, table.iloc[:1]]) if damage == "twice" else table.iloc[1:]
    CrossValidation(whole.info, table, whole.in_doubt).write(tmp_path)
    with pytest.raises(DataError):
        CrossValidation.read(tmp_path).of(GROUP, "winner")
