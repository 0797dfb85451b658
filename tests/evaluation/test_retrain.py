"""Retraining: one whose worker dies goes on from its last epoch; what an interruption left is not trained twice."""

import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from pipeline.core.files import read_json
from pipeline.evaluation import evaluate
from pipeline.execution.settings import Workspace
from pipeline.search import search

SPACE = """
question: What does a retraining survive?
dataset: digits
trials: 1
fixed: {model: mlp, n_epochs: 100, batch_size: 64}
baseline: {lr: 0.01}
space: {lr: {low: 0.001, high: 0.1}}
"""


def kill_a_worker(root: Path) -> None:
    """Once a retraining has come past its first epochs."""
    deadline = time.monotonic() + 120
    while not list(root.glob(".state/evaluate/*/checkpoint")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for child in psutil.Process().children():
        if any("spawn_main" in word for word in child.cmdline()):
            child.kill()


def runs(root: Path) -> pd.DataFrame:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    found = client.search_runs([experiment.experiment_id], "tags.role = 'evaluate'")
    return pd.DataFrame([{"name": run.info.run_name, "status": run.info.status} for run in found])


@pytest.fixture(scope="module")
def searched(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searched")
    (root / "still.yaml").write_text(SPACE)
    search.search(root / "still.yaml", digits_folder / "development", root / "search", Workspace(root))
    return root


@pytest.mark.slow
def test_a_retraining_whose_worker_dies_is_trained_on(searched: Path, digits_folder: Path, tmp_path: Path) -> None:
    tables = {}
    for name in ("calm", "stormy"):
        root = tmp_path / name
        storm = threading.Thread(target=kill_a_worker, args=(root,))
        if name == "stormy":
            storm.start()
        evaluate.evaluate(
            searched / "search", digits_folder, root / "out", Workspace(root), n_seeds=1, min_sensitivity=0.9
        )
        if name == "stormy":
            storm.join()
        tables[name] = pd.read_csv(root / "out" / "predictions.csv")
    pd.testing.assert_frame_equal(tables["stormy"], tables["calm"])
    assert runs(tmp_path / "calm")["status"].tolist() == ["FINISHED"] * 2
    stormy = runs(tmp_path / "stormy")
    assert sorted(stormy["status"]) == ["FAILED", "FINISHED", "FINISHED"]
    assert stormy.groupby("name")["status"].agg(lambda found: "FINISHED" in set(found)).all()
    trained = [path.read_bytes() for path in sorted((tmp_path / "stormy/.state/evaluate").glob("*/run.json"))]
    evaluate.evaluate(searched / "search", digits_folder, tmp_path / "again", Workspace(tmp_path / "stormy"), 1, 0.9)
    assert [path.read_bytes() for path in sorted((tmp_path / "stormy/.state/evaluate").glob("*/run.json"))] == trained
    scores = [read_json(tmp_path / name / "metrics.json")["models"] for name in ("stormy/out", "again")]
    assert scores[0] == scores[1]
    insides = [sorted((tmp_path / name / "inside").iterdir()) for name in ("stormy/out", "again")]
    assert [path.name for path in insides[0]] == [path.name for path in insides[1]]
    assert [path.read_bytes() for path in insides[0]] == [path.read_bytes() for path in insides[1]]
