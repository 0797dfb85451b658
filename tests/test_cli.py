"""The commands besides stages: space, layers, publish and schema.

Publishing rebuilds in MLflow what search and evaluate wrote there, and publishing twice adds nothing.
"""

import json
import shutil
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient, pyfunc, set_tracking_uri

import contract_data
from pipeline import cli
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import InputError
from pipeline.datasets.json_schema import dataset_schema
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.experiment.json_schema import experiment_schema
from pipeline.stages import evaluate, search

ROOT = Path(__file__).parents[1]
ORIGIN = {"mlflow.parentRunId", "mlflow.user", "mlflow.loggedModels"}  # of the database and who writes it


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch, experiment_file: Path, digits_folder: Path, tmp_path: Path) -> Layout:
    """Return the layout of a repository with the experiment quick and the split digits."""
    layout = Layout(tmp_path / "first")
    shutil.copytree(digits_folder, layout.split("digits"))
    layout.experiment_file("quick").parent.mkdir()
    shutil.copyfile(experiment_file, layout.experiment_file("quick"))
    monkeypatch.setattr(cli, "LAYOUT", layout)
    return layout


def run(name: str, **options: str) -> None:
    """Run a command for the experiment quick."""
    params: Any = SimpleNamespace(experiments={"quick": "digits"}, search=SearchSettings(threads=1))
    cli.COMMANDS[name].run(params, Namespace(item="quick", **options))


def test_space_prints_the_check(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    run("space")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("quick: ")
    assert lines[2].split()[0] == "baseline"


def test_layers_prints_baseline_and_winner(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    run("layers")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "baseline: mlp, 1 x 8 x 8 to 10 classes"
    assert lines[-1] == f"{(64 + 1) * 16 + (16 + 1) * 16 + 17 * 10:,} parameters"
    assert not any(line.startswith("winner") for line in lines)
    contract_data.write_search(layout, "quick", contract_data.dataset_info("digits", list("0123456789"), []))
    best = layout.search("quick") / "best.yaml"
    winner = "{model: cnn, lr: 0.01, batch_size: 32, n_epochs: 1, cnn.width: 4}"
    best.write_text(f"winner: {winner}\nbaseline: {winner}\n")
    run("layers")
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("winner: cnn, 1 x 8 x 8 to 10 classes")
    assert lines[at + 2].split() == ["0", "Conv2d", "4", "x", "8", "x", "8", "8", "x", "8", "40"]


def test_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    run("schema", of="experiment")
    assert json.loads(capsys.readouterr().out) == experiment_schema()
    run("schema", of="dataset")
    assert json.loads(capsys.readouterr().out) == dataset_schema()


def test_make_writes_the_schema_and_git_ignores_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "SCHEMAS := experiments/schema.json data/schema.json" in makefile
    assert "python -m pipeline schema > $@" in makefile
    assert "python -m pipeline schema dataset > $@" in makefile
    assert "/experiments/schema.json" in (ROOT / ".gitignore").read_text().splitlines()


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
def test_a_fresh_clone_gets_the_same_runs(
    layout: Layout, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, clone = layout.root, tmp_path / "clone"
    workspace = Workspace(first, SearchSettings(workers=2))
    search.run(layout, "quick", "digits", workspace)
    evaluate.run(layout, "quick", "digits", workspace, EvaluateSettings(n_seeds=1, min_sensitivity=0.9))
    for name in ("search", "evaluate", "runs"):
        shutil.copytree(first / "data" / name, clone / "data" / name)
    monkeypatch.setattr(cli, "LAYOUT", Layout(clone))
    for _ in range(2):
        run("publish")
        assert content(clone) == content(first)
        assert versions(clone) == versions(first) == [(1, ["champion"])]
    before = content(first)
    monkeypatch.setattr(cli, "LAYOUT", layout)
    run("publish")  # MLflow has all of it already
    assert content(first) == before
    pixels = np.load(digits_folder / "test" / "images.npy")[:5]
    answers = []
    for root in (first, clone):
        set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
        answers.append(pyfunc.load_model("models:/quick@champion").predict(pixels))
    pd.testing.assert_frame_equal(*answers)


def test_a_missing_search_is_an_input_error(layout: Layout) -> None:
    with pytest.raises(InputError, match="run: dvc repro search@"):
        run("publish")
