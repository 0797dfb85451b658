"""What an artifact writes, it reads back; what is damaged is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.json_file import JsonFile
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import ReportNumbers
from pipeline.artifacts.robustness import Robustness
from pipeline.artifacts.rungs import RUNG_COLUMNS
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import TRIAL_COLUMNS, SearchResult
from pipeline.core.errors import DataError
from pipeline.report.numbers import report_numbers
from pipeline.report.results import Results


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = contract_data.write_experiment(tmp_path_factory.mktemp("artifacts"), "e", contract_data.MRI, n_seeds=2)
    report_numbers(Results.read(layout, "e", contract_data.SETTINGS)).write(layout.report_numbers("e"))
    return layout


def same_files(one: Path, other: Path) -> None:
    names = sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_search_result(layout: Layout, tmp_path: Path) -> None:
    result = SearchResult.read(layout.search("e"))
    assert list(result.trials.columns[: len(TRIAL_COLUMNS)]) == list(TRIAL_COLUMNS)
    assert result.trials["reason"].tolist()[5] == "the loss is nan"
    result.write(tmp_path)
    again = SearchResult.read(tmp_path)
    assert again.study == result.study
    assert (again.winner, again.baseline) == (result.winner, result.baseline)
    pd.testing.assert_frame_equal(again.trials, result.trials)


def test_rungs_of_a_search(layout: Layout, tmp_path: Path) -> None:
    result = SearchResult.read(layout.search("e"))
    assert result.rungs.empty
    assert list(result.rungs.columns) == list(RUNG_COLUMNS)
    fidelity = {"stratify": "model", "schedule": "whole", "rungs": [{"share": 1 / 9, "best": 4, "seeds": 1}]}
    scores = [None, 0.5]
    rungs = pd.DataFrame({"number": [1, 0], "rung": 0, "share": 1 / 9, "steps": 7, "repeat": 0, "score": scores})
    rungs["parameters"] = [None, 1234]
    rungs["reason"] = ["the loss is nan", ""]
    study = result.study.model_copy(update={"fidelity": fidelity})
    replace(result, study=study, rungs=rungs).write(tmp_path)
    again = SearchResult.read(tmp_path)
    assert again.study.fidelity == fidelity
    assert again.rungs["number"].tolist() == [0, 1]
    assert again.rungs["reason"].tolist() == ["", "the loss is nan"]
    np.testing.assert_array_equal(again.rungs["score"], [0.5, np.nan])
    rungs.drop(columns="steps").to_csv(tmp_path / "rungs.csv", index=False)
    with pytest.raises(DataError) as error:
        SearchResult.read(tmp_path)
    assert error.value.problems == ["steps"]
    result.write(tmp_path)
    assert SearchResult.read(tmp_path).rungs.empty


def test_an_evaluation_and_its_explanations(layout: Layout, tmp_path: Path) -> None:
    evaluation = Evaluation.read(layout.evaluate("e"))
    evaluation.write(tmp_path)
    pd.testing.assert_frame_equal(Evaluation.read(tmp_path).predictions, evaluation.predictions)
    folder = layout.evaluate("e") / "explanations"
    Explanations.read(folder, evaluation).write(tmp_path / "explanations")
    again = Explanations.read(tmp_path / "explanations", evaluation)
    pd.testing.assert_frame_equal(again.examples, Explanations.read(folder, evaluation).examples)


def test_predictions_under_corruptions(layout: Layout, tmp_path: Path) -> None:
    evaluation = Evaluation.read(layout.evaluate("e"))
    robustness = Robustness.read(layout.evaluate("e"), evaluation)
    robustness.write(tmp_path)
    assert (tmp_path / "robustness.csv").read_bytes() == (layout.evaluate("e") / "robustness.csv").read_bytes()
    test = evaluation.parts["test"]
    rows, unchanged = robustness.rows(test.samples), robustness.runs()["noise"]
    np.testing.assert_array_equal(rows, np.arange(test.labels.size))
    np.testing.assert_array_equal(unchanged.predicted, test.models["winner"].predicted)
    np.testing.assert_allclose(unchanged.positive_score, test.models["winner"].positive_score, atol=1e-6)


def test_runs_and_numbers(layout: Layout, tmp_path: Path) -> None:
    ReportNumbers.read(layout.report_numbers("e")).write(tmp_path / "numbers")
    same_files(layout.report_numbers("e"), tmp_path / "numbers")
    for kind, path in ((SearchRuns, layout.search_runs("e")), (EvaluationRuns, layout.evaluation_runs("e"))):
        runs: JsonFile = kind.read(path)
        runs.write(tmp_path / path.name)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"study": NaN}'])
def test_a_damaged_file_is_named_with_the_way_out(layout: Layout, tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match=r"study\.json is damaged .* run: dvc repro"):
        SearchResult.read(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        SearchRuns.read(tmp_path / "none.json")


@pytest.mark.parametrize("column", ["reason", "slot"])
def test_a_missing_column_is_named(layout: Layout, tmp_path: Path, column: str) -> None:
    result = SearchResult.read(layout.search("e"))
    result.write(tmp_path)
    result.trials.drop(columns=column).to_csv(tmp_path / "trials.csv", index=False)
    with pytest.raises(DataError) as error:
        SearchResult.read(tmp_path)
    assert error.value.problems == [column]
