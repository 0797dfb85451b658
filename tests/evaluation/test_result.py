"""The result of an evaluation: predictions, thresholds that depend on val alone, artifacts, and the champion."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contract_data
from contract_data import ORIGIN, dataset_info
from evaluation_examples import description, finished_retraining
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.result import (
    champion,
    choose_thresholds,
    data_sources,
    evaluation_result,
    evaluation_runs,
    predict_all,
    write_models,
)
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.training.network import ModelDescription

SCORES = {("winner", 1): 0.5, ("winner", 2): 0.7, ("winner", 3): 0.7, ("baseline", 1): 0.9}


@pytest.fixture
def data(digits_folder: Path) -> tuple[Samples, Samples]:
    return Samples.read(digits_folder / "development"), Samples.read(digits_folder / "test")


@pytest.fixture
def retrained(data: tuple[Samples, Samples], tmp_path: Path) -> list[FinishedRetraining]:
    described = description("mlp", data[0].info.classes, [])
    return [
        finished_retraining(tmp_path, described, model=model, seed=seed, val_score=score)
        for (model, seed), score in SCORES.items()
    ]


def test_what_is_written_is_read_again(
    data: tuple[Samples, Samples], retrained: list[FinishedRetraining], tmp_path: Path
) -> None:
    info = data[0].info
    scores = {"n_trials": {}, "best": {"number": 1, "score": 0.7}, "baseline": {"number": 0, "score": 0.6}}
    study = contract_data.study_info("quick", info, **scores)
    three = retrained[:2] + retrained[3:]
    predictions = predict_all(three, data)
    evaluation = evaluation_result(study, data, three, predictions, choose_thresholds(predictions, info, 0.9))
    evaluation.write(tmp_path / "evaluation")
    again = Evaluation.read(tmp_path / "evaluation")
    assert again.info == evaluation.info
    assert [run.seed for run in again.runs("winner")] == [1, 2]
    assert again.info.models["baseline"].runs[0].val_score == 0.9
    assert len(again.files) == len(data[0].table) + len(data[1].table)
    assert again.curves.groupby(["model", "seed"])["epoch"].max().to_dict() == {
        ("winner", 1): 2, ("winner", 2): 2, ("baseline", 1): 2,
    }  # fmt: skip
    assert "seconds" not in again.curves
    assert again.curves_by_step["step"].tolist() == [3, 6] * 3


def evaluated(data: tuple[Samples, Samples], retrained: list[FinishedRetraining]) -> Evaluation:
    scores = {"n_trials": {}, "best": {"number": 1, "score": 0.7}, "baseline": {"number": 0, "score": 0.6}}
    study = contract_data.study_info("quick", data[0].info, **scores)
    predictions = predict_all(retrained, data)
    thresholds = choose_thresholds(predictions, data[0].info, 0.9)
    return evaluation_result(study, data, retrained, predictions, thresholds)


def test_the_champion_is_the_first_winner_with_the_best_score_on_val(
    data: tuple[Samples, Samples], retrained: list[FinishedRetraining]
) -> None:
    assert champion(evaluated(data, retrained), retrained) is retrained[1]


def test_what_differs_in_every_run_is_kept_apart(retrained: list[FinishedRetraining]) -> None:
    runs = evaluation_runs(retrained, retrained[:1], ORIGIN)
    assert runs.seconds == pytest.approx(runs.fold_seconds + sum(run.seconds for run in runs.retrainings))
    assert runs.fold_seconds == 5
    assert runs.origin == ORIGIN
    assert runs.of("winner", 2).epoch_seconds == [2.5, 2.5]
    assert runs.of("winner", 2).run_id == retrained[1].run_id


def test_each_model_has_its_description_and_one_file_of_weights_per_seed(
    data: tuple[Samples, Samples], retrained: list[FinishedRetraining], tmp_path: Path
) -> None:
    write_models(evaluated(data, retrained), retrained, tmp_path / "model")
    written = sorted(str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*.*"))
    weights = sorted(f"{model}/seed-{seed}.safetensors" for model, seed in SCORES)
    assert written == sorted([*weights, "MODEL_CARD.md", "baseline/model.json", "winner/model.json"])
    assert ModelDescription.read(tmp_path / "model/winner/model.json") == retrained[0].result.description


def test_the_sources_are_the_parts_that_are_there(data: tuple[Samples, Samples]) -> None:
    assert [source.part for source in data_sources(data)] == ["train", "val", "test"]


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
