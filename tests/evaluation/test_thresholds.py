"""Predictions as a table, and thresholds that depend on val alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract_data import dataset_info
from evaluation_examples import description, finished_retraining
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.thresholds import choose_thresholds, predict_all

TUMOR = dataset_info("mri", ["healthy", "tumor"], ["tumor"])


def predictions() -> pd.DataFrame:
    """Two models, two seeds; scores of the positive class by part. On val the tumors score .6 and .8."""
    rows = []
    for model, shift in (("winner", 0.0), ("baseline", 0.1)):
        for seed in (1, 2):
            for k, (label, score) in enumerate([(0, 0.1), (0, 0.3), (1, 0.6), (1, 0.8)]):
                p = score + shift + 0.01 * seed
                rows += [
                    (model, seed, f"v{k}", f"v{k}", "val", label, p),
                    (model, seed, f"t{k}", f"t{k}", "test", label, 1 - p),
                ]
    table = pd.DataFrame(rows, columns=["model", "seed", "sample", "group", "part", "label", "p_tumor"])
    return table.assign(p_healthy=1 - table["p_tumor"], predicted=(table["p_tumor"] > 0.5).astype(int))


def test_the_threshold_of_each_run_lies_between_the_classes_on_val() -> None:
    thresholds = choose_thresholds(predictions(), TUMOR, 1.0)
    assert thresholds.min_sensitivity == 1.0
    middle = {("winner", 1): 0.46, ("winner", 2): 0.47, ("baseline", 1): 0.56, ("baseline", 2): 0.57}
    assert thresholds.of_run == {run: pytest.approx(t) for run, t in middle.items()}


def test_test_images_do_not_touch_the_threshold() -> None:
    table = predictions()
    changed = table.assign(p_tumor=table["p_tumor"].where(table["part"] == "val", 0.5))
    assert choose_thresholds(changed, TUMOR, 0.9) == choose_thresholds(table, TUMOR, 0.9)


def test_without_positive_classes_there_is_no_threshold() -> None:
    thresholds = choose_thresholds(predictions(), dataset_info("mri", ["healthy", "tumor"], []), 0.9)
    assert set(thresholds.of_run.values()) == {None}


def test_every_run_predicts_every_image(digits_folder: Path, development: Samples, tmp_path: Path) -> None:
    test = Samples.read(digits_folder / "test")
    described = description("mlp", development.info.classes, [])
    retrained = [
        finished_retraining(tmp_path, described, model=m, seed=s) for m in ("winner", "baseline") for s in (1, 2)
    ]
    table = predict_all(retrained, (development, test))
    n = len(development.table) + len(test.table)
    assert table.groupby(["model", "seed"]).size().to_dict() == {
        (m, s): n for m in ("winner", "baseline") for s in (1, 2)
    }
    assert np.allclose(table.filter(regex="^p_").sum(axis=1), 1, atol=1e-5)
    winner = table[(table["model"] == "winner") & (table["seed"] == 1)]
    baseline = table[(table["model"] == "baseline") & (table["seed"] == 1)]
    pd.testing.assert_frame_equal(winner.drop(columns="model"), baseline.drop(columns="model"))  # the same weights
