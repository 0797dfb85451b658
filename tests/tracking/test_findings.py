"""MLflow shows what the report shows, also in a folder that was moved and after a user deleted something."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import NumbersInfo
from pipeline.artifacts.runs import SearchRuns
from pipeline.evaluation.model_registry import registered_champion
from pipeline.tracking.database import only, open_client, shown_address
from pipeline.tracking.findings import NOTE, publish_findings
from pipeline.tracking.mlflow import MlflowStudy, with_address
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import Outcome, RunRecord, StudyRecord, StudyRun
from pipeline.tracking.tracker import Tracker

Pipeline = Callable[..., int]
STUDY = "tags.role = 'study'"
WRITES = ("log_batch", "log_artifact", "set_tag", "set_experiment_tag", "update_registered_model", "create_run")


def trial() -> RunRecord:
    return RunRecord(
        "trial-0000", Role.SEARCH, {"lr": 0.1}, 7, 1_700_000_000_000, [], Outcome("complete", {"score": 0.1})
    )


@pytest.fixture
def root(reported: Path, tmp_path: Path) -> Path:
    """Return a copy of the project of its own, which the database must notice."""
    return Path(shutil.copytree(reported, tmp_path / "a project", symlinks=True))


def runs(root: Path, query: str = "") -> list[Run]:
    client = open_client(root, None)
    experiment = client.get_experiment_by_name("bars")
    assert experiment
    return list(client.search_runs([experiment.experiment_id], query))


def only_study(root: Path) -> Run:
    (run,) = runs(root, STUDY)
    return run


def files(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def command(root: Path, *arguments: str, **variables: str) -> None:
    """Run a command in a process of its own: in this one MLflow remembers where the artifacts of a run were."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | variables
    words = [sys.executable, "-m", "pipeline", *arguments]
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def publish(root: Path) -> None:
    publish_findings(Layout(root), "quick", None)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_the_run_of_the_study_shows_the_report(root: Path, tmp_path: Path) -> None:
    study, client = only_study(root), open_client(root, None)
    numbers = NumbersInfo.read(root / "data/report/quick/numbers.json")
    for name in ("macro_f1", "accuracy"):
        low, high = numbers.intervals.test[name]
        expected = [numbers.metrics.test[name], low, high]
        assert [study.data.metrics.get(f"test_{name}{end}") for end in ("", "_low", "_high")] == expected
    assert study.data.metrics["test_sensitivity"] == numbers.metrics.screening.sensitivity  # type: ignore[union-attr]
    note = study.data.tags[NOTE]
    assert numbers.question in note
    assert f"runs/{study.info.run_id}/artifacts/index.html" in note
    assert "reports/quick/index.html" in note
    for name, path in (("index.html", "index.html"), ("report/confusion.png", "figures/confusion.png")):
        stored = Path(client.download_artifacts(study.info.run_id, name, str(tmp_path)))
        assert stored.read_bytes() == (root / "reports/quick" / path).read_bytes()


def test_experiment_and_model_are_described(root: Path) -> None:
    client = open_client(root, None)
    numbers = NumbersInfo.read(root / "data/report/quick/numbers.json")
    experiment = client.get_experiment_by_name("bars")
    assert experiment
    assert numbers.question in experiment.tags[NOTE]
    assert f"runs/{only_study(root).info.run_id}" in experiment.tags[NOTE]
    description = client.get_registered_model("quick").description
    assert description
    for part in (numbers.question, "level, upright", "16 × 16 pixels, 1 channel", "load_champion('quick')"):
        assert part in description
    assert description.endswith((root / "data/evaluate/quick/model/MODEL_CARD.md").read_text())


def test_a_second_time_writes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(root)
    calls: list[str] = []
    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, lambda *_, name=name, **__: calls.append(name))
    publish(root)
    assert not calls


def test_studies_that_no_report_shows_can_be_filtered_out(root: Path) -> None:
    old = StudyRecord(StudyRun("bars", "quick@0ld", {"experiment": "quick"}), outcome=Outcome("complete"))
    other = StudyRecord(StudyRun("bars", "other@1", {"experiment": "other"}), outcome=Outcome("complete"))
    for study in (old, other):
        MlflowStudy(root, None, study).sync([trial()])
    publish(root)
    stale = {run.data.tags["study"] for run in runs(root, "tags.current = 'false'")}
    current = {run.data.tags["study"] for run in runs(root, "tags.current = 'true'")}
    assert (stale, current) == ({"quick@0ld"}, {only_current(root).data.tags["study"]})
    assert len(runs(root, "tags.current = 'false'")) == 2  # with its trial
    assert {run.data.tags["study"] for run in runs(root) if "current" not in run.data.tags} == {"other@1"}


def only_current(root: Path) -> Run:
    (run,) = runs(root, f"{STUDY} and tags.current = 'true'")
    return run


def test_of_a_fresh_search_the_numbered_study_is_current(root: Path) -> None:
    path = Layout(root).search_runs("quick")
    searched = SearchRuns.read(path)
    name = f"{searched.study}.2"
    searched.model_copy(update={"study": name}).write(path)
    MlflowStudy(root, None, StudyRecord(StudyRun("bars", name, {"experiment": "quick"}))).sync([])
    publish(root)
    assert only_current(root).data.tags["study"] == name
    assert {run.data.tags["role"] for run in runs(root, "tags.current = 'true'")} == {"study", "evaluate"}


def test_an_unreachable_server_stops_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_findings(Layout(root), "quick", f"http://127.0.0.1:{free_port()}")
    assert "python -m pipeline publish quick" in capsys.readouterr().err


def test_without_a_report_or_a_database_nothing_is_created(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in root.glob("mlflow.db*"):
        file.unlink()
    publish(root)
    assert "python -m pipeline publish quick" in capsys.readouterr().err
    shutil.rmtree(root / "data/report")
    publish(root)
    assert not capsys.readouterr().err
    assert not (root / "mlflow.db").exists()


# --- a folder that was moved, copied or renamed


def test_a_moved_project_keeps_artifacts_and_champion(root: Path, tmp_path: Path) -> None:
    before = registered_champion(root, "quick", None)
    study = only_study(root)
    moved = Path(shutil.move(root, tmp_path / "elsewhere" / "moved"))
    assert not root.exists()
    client = open_client(moved, None)
    there = {file.path for file in client.list_artifacts(study.info.run_id)}
    assert {"index.html", "report"} <= there
    after = registered_champion(moved, "quick", None)
    weights = [model.networks[0].state_dict() for model in (before, after)]
    assert all(bool((weights[0][key] == weights[1][key]).all()) for key in weights[0])
    assert client.get_run(study.info.run_id).info.artifact_uri.startswith(moved.as_uri())
    (moved / "reports/quick/index.html").write_text("changed")
    command(moved, "publish", "quick")
    assert (moved / "mlartifacts" / study.info.run_id / "artifacts/index.html").read_text() == "changed"
    assert not root.exists()


def test_a_copied_project_does_not_write_into_the_original(root: Path, tmp_path: Path) -> None:
    only_study(root)
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    first = files(root / "mlartifacts")
    (copy / "reports/quick/index.html").write_text("changed")
    open_client(copy, None).delete_registered_model("quick")
    command(copy, "publish", "quick")
    assert files(root / "mlartifacts") == first
    assert (copy / "mlartifacts" / only_study(copy).info.run_id / "artifacts/index.html").read_text() == "changed"
    location = only_study(root).info.artifact_uri
    assert str(location).startswith(root.as_uri())


# --- what a user deleted


def test_a_deleted_study_is_written_again(root: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline(root, "publish", "quick") == 0
    first, n_runs = only_study(root), len(runs(root))
    open_client(root, None).delete_run(first.info.run_id)
    capsys.readouterr()
    publish(root)  # as the stage report does
    warning = capsys.readouterr().err
    assert f"mlflow runs restore --run-id {first.info.run_id}" in warning
    assert "python -m pipeline publish quick" in warning
    assert pipeline(root, "publish", "quick") == 0
    assert f"mlflow runs restore --run-id {first.info.run_id}" in capsys.readouterr().err
    again = only_study(root)
    assert again.info.run_id != first.info.run_id
    assert again.data.metrics["test_macro_f1"] == first.data.metrics["test_macro_f1"]
    children = [run for run in runs(root) if run.info.run_id != again.info.run_id]
    assert len(children) == n_runs - 1
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {again.info.run_id}
    assert pipeline(root, "publish", "quick") == 0
    assert not capsys.readouterr().err
    assert len(runs(root)) == n_runs


def test_deleted_trials_and_the_run_of_the_champion_are_written_again(
    root: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline(root, "publish", "quick") == 0
    client, n_runs = open_client(root, None), len(runs(root))
    champion = client.get_model_version_by_alias("quick", "champion")
    (trial_run,) = runs(root, "attributes.run_name = 'trial-0001'")
    for run_id in (champion.run_id, trial_run.info.run_id):
        client.delete_run(run_id)
    capsys.readouterr()
    assert pipeline(root, "publish", "quick") == 0
    assert capsys.readouterr().err.count("mlflow runs restore") == 2
    assert len(runs(root)) == n_runs
    again = client.get_model_version_by_alias("quick", "champion")
    assert client.get_run(again.run_id).info.lifecycle_stage == "active"
    assert registered_champion(root, "quick", None).networks


def test_a_deleted_model_is_registered_again(
    root: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    client = open_client(root, None)
    client.delete_registered_model("quick")
    publish(root)
    assert "python -m pipeline publish quick" in capsys.readouterr().err
    assert pipeline(root, "publish", "quick") == 0
    assert client.get_registered_model("quick").description
    assert registered_champion(root, "quick", None).networks


def test_a_deleted_experiment_stops_no_stage_and_publish_restores_it(
    root: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    client, n_runs = open_client(root, None), len(runs(root))
    experiment = client.get_experiment_by_name("bars")
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    with Tracker(root, None, StudyRun("bars", "quick@1", {"dvc_stage": "search@quick", "experiment": "quick"})) as of:
        of.start(trial())
        of.end("complete")
    warning = capsys.readouterr().err
    assert f"mlflow experiments restore --experiment-id {experiment.experiment_id}" in warning
    assert "python -m pipeline publish quick" in warning
    publish(root)
    assert pipeline(root, "publish", "quick") == 0
    restored = client.get_experiment_by_name("bars")
    assert restored
    assert (restored.experiment_id, restored.lifecycle_stage) == (experiment.experiment_id, "active")
    assert len(runs(root)) >= n_runs
    assert only_study(root).data.metrics["test_macro_f1"]


def test_the_command_that_a_warning_names_restores(root: Path) -> None:
    client, study = open_client(root, None), only_study(root)
    client.delete_run(study.info.run_id)
    command = [sys.executable, "-m", "mlflow", "runs", "restore", "--run-id", study.info.run_id]
    environment = os.environ | {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    assert only_study(root).info.run_id == study.info.run_id


# --- what a shell may hold


def test_mlflow_has_its_settings_back_after_a_use(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    client, before = open_client(root, None), (mlflow.get_tracking_uri(), mlflow.get_registry_uri())
    with only(client):
        assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (client.tracking_uri,) * 2
        assert "MLFLOW_RUN_ID" not in os.environ
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before
    assert os.environ["MLFLOW_RUN_ID"] == "0" * 32
    assert "MLFLOW_REGISTRY_URI" not in os.environ


def test_a_password_is_not_shown(root: Path) -> None:
    assert shown_address(root, "https://me:secret@host:5000/x") == "https://host:5000/x"
    assert "secret" not in with_address("mlflow runs restore", root, "http://me:secret@host")


def test_variables_of_mlflow_change_neither_runs_nor_registry(root: Path, tmp_path: Path) -> None:
    for file in root.glob("mlflow.db*"):
        file.unlink()
    shutil.rmtree(root / "mlartifacts")
    wrong = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'wrong.db'}",
        "MLFLOW_REGISTRY_URI": f"sqlite:///{tmp_path / 'wrong-registry.db'}",
        "MLFLOW_EXPERIMENT_NAME": "wrong",
        "MLFLOW_EXPERIMENT_ID": "77",
        "MLFLOW_RUN_ID": "0" * 32,
    }
    command(root, "publish", "quick", **wrong)
    assert not list(tmp_path.glob("wrong*"))
    assert only_study(root).data.metrics["test_macro_f1"]
    assert open_client(root, None).get_model_version_by_alias("quick", "champion").run_id
    assert {each.name for each in open_client(root, None).search_experiments()} == {"bars", "Default"}
    shutil.move(root / "data/evaluate", tmp_path / "evaluate")  # so that the registry answers
    command(root, "predict", "quick", str(next((root / "published").rglob("*.png"))), **wrong)
    assert not list(tmp_path.glob("wrong*"))
