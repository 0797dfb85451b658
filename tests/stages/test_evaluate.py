"""evaluate on the real digits: equal inputs give equal files, from kept weights too."""

from dataclasses import replace
from pathlib import Path

import pytest

import contract_data
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.samples import Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import evaluate

SETTINGS = EvaluateSettings(n_seeds=2, min_sensitivity=0.9)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.usefixtures("with_database")
def test_an_evaluation_again_gives_the_same_files_and_nothing_else(digits_folder: Path, tmp_path: Path) -> None:
    layout = contract_data.project(tmp_path, digits_folder, "")
    contract_data.write_search(layout, "quick", Samples.read(layout.test("digits")).info)
    config = {"model": "mlp", "n_epochs": 2, "batch_size": 64, "lr": 0.01}
    result = replace(SearchResult.read(layout.search("quick")), winner=config, baseline={**config, "lr": 0.001})
    result.write(layout.search("quick"))
    layout.evaluate("quick").mkdir(parents=True)
    (layout.evaluate("quick") / "of_an_earlier_version.csv").touch()

    workspace = Workspace(tmp_path, SearchSettings(workers="auto"))  # as the search: 2 workers
    evaluate.run(layout, "quick", "digits", workspace, SETTINGS)
    first, kept = files(layout.evaluate("quick")), files(tmp_path / ".state/evaluate")
    runs = EvaluationRuns.read(layout.evaluation_runs("quick"))
    assert "of_an_earlier_version.csv" not in first
    assert {path.split("/")[0] for path in first} == {
        "metrics.json", "predictions.csv", "curves.csv", "steps.csv", "files.csv", "robustness.csv", "explanations",
        "folds", "model",
    }  # fmt: skip
    evaluation = Evaluation.read(layout.evaluate("quick"))
    explanations = Explanations.read(layout.evaluate("quick") / "explanations", evaluation)
    assert explanations.info.seed == evaluation.info.champion.seed
    assert all(run.run_id for run in runs.retrainings)

    evaluate.run(layout, "quick", "digits", workspace, SETTINGS)
    assert files(layout.evaluate("quick")) == first
    assert files(tmp_path / ".state/evaluate") == kept
    assert EvaluationRuns.read(layout.evaluation_runs("quick")) == runs
