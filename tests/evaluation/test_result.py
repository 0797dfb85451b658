"""The artifacts of an evaluation: one row, run and file per retraining, and the champion."""

from pathlib import Path

import pytest

import contract_data
from contract_data import ORIGIN
from evaluation_examples import description, finished_retraining
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.result import champion, data_sources, evaluation_result, evaluation_runs, write_models
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.evaluation.thresholds import choose_thresholds, predict_all
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


def test_the_champion_is_the_first_winner_with_the_best_score_on_val(
    data: tuple[Samples, Samples], retrained: list[FinishedRetraining]
) -> None:
    scores = {"n_trials": {}, "best": {"number": 1, "score": 0.7}, "baseline": {"number": 0, "score": 0.6}}
    study = contract_data.study_info("quick", data[0].info, **scores)
    predictions = predict_all(retrained, data)
    thresholds = choose_thresholds(predictions, data[0].info, 0.9)
    evaluation = evaluation_result(study, data, retrained, predictions, thresholds)
    assert champion(evaluation, retrained) is retrained[1]


def test_what_differs_in_every_run_is_kept_apart(retrained: list[FinishedRetraining]) -> None:
    runs = evaluation_runs(retrained, ORIGIN)
    assert runs.origin == ORIGIN
    assert runs.of("winner", 2).epoch_seconds == [2.5, 2.5]
    assert runs.of("winner", 2).run_id == retrained[1].run_id


def test_each_model_has_its_description_and_one_file_of_weights_per_seed(
    retrained: list[FinishedRetraining], tmp_path: Path
) -> None:
    write_models(retrained, tmp_path / "model")
    written = sorted(str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*.*"))
    weights = sorted(f"{model}/seed-{seed}.safetensors" for model, seed in SCORES)
    assert written == sorted([*weights, "baseline/model.json", "winner/model.json"])
    assert ModelDescription.read(tmp_path / "model/winner/model.json") == retrained[0].result.description


def test_the_sources_are_the_parts_that_are_there(data: tuple[Samples, Samples]) -> None:
    assert [source.part for source in data_sources(data)] == ["train", "val", "test"]
