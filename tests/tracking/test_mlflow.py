"""One idempotent sync: MLflow gets what it lacks, and a repeated call writes nothing."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.artifacts.epoch import Epoch
from pipeline.tracking.mlflow import MlflowStudy
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord, StudyRun

WRITES = ("log_batch", "log_inputs", "log_artifacts", "create_run", "update_run", "set_terminated", "set_tag")


def study() -> StudyRecord:
    record = StudyRecord(StudyRun("digits", "quick@1"), winner="trial-0000", outcome=Outcome("complete"))
    record.log("score", 0.5, 0, at_ms=1_700_000_000_000)
    return record


def trial() -> RunRecord:
    epoch = Epoch(1, 1.0, 0.5, 0.5, 2.0, 0.6, 0.1, None, None, 0.01, 0.5)
    return RunRecord(
        "trial-0000", Role.SEARCH, {"lr": 0.1}, 7, 1_700_000_000_000, [epoch], Outcome("complete", {"score": 0.1})
    )


@pytest.mark.usefixtures("with_database")
def test_a_repeated_sync_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow, records = MlflowStudy(tmp_path, None, study()), [trial()]
    mlflow.sync(records)
    calls: list[str] = []
    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, lambda *_, name=name, **__: calls.append(name))
    mlflow.sync(records)
    assert not calls


@pytest.mark.usefixtures("with_database")
def test_a_sync_by_another_process_adds_no_run_and_no_value(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")

    def content() -> list[dict[str, Any]]:
        experiment = client.get_experiment_by_name("digits")
        assert experiment
        runs = client.search_runs([experiment.experiment_id])
        history = [[client.get_metric_history(run.info.run_id, key) for key in run.data.metrics] for run in runs]
        values = [[(m.key, m.step, m.value, m.timestamp) for of_key in of_run for m in of_key] for of_run in history]
        return [{**run.data.to_dictionary(), "history": v} for run, v in zip(runs, values, strict=True)]

    MlflowStudy(tmp_path, None, study()).sync([trial()])
    first = content()
    MlflowStudy(tmp_path, None, study()).sync([trial()])
    assert content() == first
    assert len(first) == 2
    assert {run["tags"]["role"] for run in first} == {"study", "search"}
    assert [run["tags"].get("winner") for run in first if run["tags"]["role"] == "study"] == ["trial-0000"]


def test_warnings_are_shown_although_the_root_logger_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after an import of mlflow.pytorch."""
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)
    logging.getLogger("pipeline.evaluation.model_registry").warning("not registered")
    assert capsys.readouterr().err == "not registered\n"


def test_mlflow_sends_no_telemetry() -> None:
    """In a process of its own, whose environment does not name a test: MLflow decides while it is imported."""
    code = "import pipeline.tracking.mlflow; from mlflow.telemetry.client import get_telemetry_client as client; "
    command = [sys.executable, "-c", f"{code}assert not client()"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
