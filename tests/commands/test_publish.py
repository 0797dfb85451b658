"""Publishing rebuilds in MLflow what search and evaluate wrote there, and publishing twice adds nothing."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient, pyfunc, set_tracking_uri

from pipeline.artifacts.layout import Layout
from pipeline.commands import publish
from pipeline.core.errors import InputError
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import evaluate, search

ORIGIN = {"mlflow.parentRunId", "mlflow.user", "mlflow.loggedModels"}  # of the database and who writes it


def content(root: Path) -> dict[str, Any]:
    """Return all that MLflow holds except the ids of its rows."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = {}
    for run in client.search_runs([experiment.experiment_id]):
        metrics = {
            key: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
            if not key.startswith("system/")
        }
        of_study = run.data.tags["role"] == "study"
        runs[run.info.run_name] = {
            "status": run.info.status,
            "start": None if of_study else run.info.start_time,
            "params": run.data.params,
            "tags": {key: value for key, value in run.data.tags.items() if key not in ORIGIN},
            "metrics": metrics,
            "inputs": sorted((i.dataset.digest, i.tags[0].value) for i in run.inputs.dataset_inputs),
            "figures": sorted(a.path for a in client.list_artifacts(run.info.run_id, "figures")),
        }
    return runs


def versions(root: Path) -> list[tuple[int, list[str]]]:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    models = client.search_model_versions("name = 'quick'")
    return [(v.version, client.get_model_version(v.name, v.version).aliases) for v in models]


@pytest.mark.slow
def test_a_fresh_clone_gets_the_same_runs(experiment_file: Path, digits_folder: Path, tmp_path: Path) -> None:
    first, clone = tmp_path / "first", tmp_path / "clone"
    layout = Layout(first)
    workspace = Workspace(first, SearchSettings(workers=2))
    shutil.copytree(digits_folder, layout.split("digits"))
    layout.experiment_file("quick").parent.mkdir()
    shutil.copyfile(experiment_file, layout.experiment_file("quick"))
    search.run(layout, "quick", "digits", workspace)
    evaluate.run(layout, "quick", "digits", workspace, EvaluateSettings(n_seeds=1, min_sensitivity=0.9))
    for name in ("search", "evaluate", "runs"):
        shutil.copytree(first / "data" / name, clone / "data" / name)
    for _ in range(2):
        publish.run(clone, "quick", None)
        assert content(clone) == content(first)
        assert versions(clone) == versions(first) == [(1, ["champion"])]
    before = content(first)
    publish.run(first, "quick", None)  # MLflow has all of it already
    assert content(first) == before
    pixels = np.load(digits_folder / "test" / "images.npy")[:5].transpose(0, 3, 1, 2).astype(np.float32)
    answers = []
    for root in (first, clone):
        set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
        answers.append(pyfunc.load_model("models:/quick@champion").predict(pixels))
    np.testing.assert_array_equal(*answers)


def test_a_missing_search_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run: dvc pull"):
        publish.run(tmp_path, "quick", None)
