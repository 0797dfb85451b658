"""MLflow as a view of the records: written in the background, once, as soon as it can be reached."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import PipelineError
from pipeline.tracking import tracker as background
from pipeline.tracking.mlflow import now_ms
from pipeline.tracking.roles import Role
from pipeline.tracking.run_record import RunRecord, StudyRun, Written
from pipeline.tracking.tracker import Tracker


def epoch(k: int, seconds: float = 0.5) -> Epoch:
    return Epoch(k, 1.0 / k, 0.5, 0.5, 2.0 / k, 0.6, 0.1 * k, None, None, 0.01, seconds)


def children(uri: str) -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    return [r for r in client.search_runs([experiment.experiment_id]) if r.data.tags["role"] != "study"]


def curve(uri: str, run: Run, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in MlflowClient(uri).get_metric_history(run.info.run_id, key)]


def record(tracker: Tracker, name: str, n_epochs: int = 3) -> RunRecord:
    filled = tracker.start(RunRecord(name, Role.SEARCH, {"lr": 0.1}, seed=7, started_ms=now_ms()))
    for k in range(1, n_epochs + 1):
        filled.epochs.append(epoch(k))
    return filled


def test_records_become_runs(tmp_path: Path) -> None:
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1", {"experiment": "quick"})) as tracker:
        record(tracker, "trial-0000").finish("complete", {"score": 0.3})
        record(tracker, "trial-0001", 1).finish("pruned", {"score": 0.1})
        record(tracker, "trial-0002", 0).finish("failed", {}, "out of memory")
        tracker.study.log("best_score", 0.3, 1, at_ms=1_000)
        tracker.end("complete")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    runs = {run.info.run_name: run for run in children(uri)}
    assert {name: run.info.run_id for name, run in runs.items()} == tracker.run_ids()
    assert [runs[f"trial-000{k}"].info.status for k in range(3)] == ["FINISHED", "KILLED", "FAILED"]
    first = runs["trial-0000"]
    assert first.data.params == {"lr": "0.1"}
    assert curve(uri, first, "val_macro_f1") == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.3))]
    assert "val_sensitivity" not in first.data.metrics
    tags = first.data.tags
    assert (tags["study"], tags["role"], tags["experiment"], tags["seed"]) == ("quick@1", "search", "quick", "7")
    assert tags["mlflow.parentRunId"] == tracker.study.written.run_id
    assert runs["trial-0002"].data.tags["reason"] == "out of memory"
    study = MlflowClient(uri).get_run(tracker.study.written.run_id)
    assert study.info.status == "FINISHED"
    assert study.data.metrics["best_score"] == 0.3


@pytest.mark.usefixtures("with_database")
def test_runs_of_a_killed_process_are_completed_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1")) as tracker:
        half = record(tracker, "trial-0000", 2)
        lost = record(tracker, "trial-0001", 1)
    assert {run.info.status for run in children(uri)} == {"RUNNING"}
    earlier = [RunRecord(r.name, r.role, r.params, r.seed, r.started_ms, list(r.epochs)) for r in (half, lost)]
    earlier[0].epochs.append(epoch(3))
    earlier[0].finish("complete", {"score": 0.3})
    earlier[1].finish("interrupted", {})
    never_written = RunRecord("trial-0002", Role.SEARCH, {"lr": 0.2}, 8, 1_700_000_000_000, [epoch(1)])
    never_written.finish("complete", {"score": 0.1})
    for _ in range(2):
        with Tracker(tmp_path, None, StudyRun("digits", "quick@1"), earlier=[*earlier, never_written]) as tracker:
            tracker.end("complete")
        for r in (*earlier, never_written):
            r.written = Written()
        runs = {run.info.run_name: run for run in children(uri)}
        assert len(children(uri)) == 3
        assert [runs[f"trial-000{k}"].info.status for k in range(3)] == ["FINISHED", "KILLED", "FINISHED"]
        assert [step for step, _ in curve(uri, runs["trial-0000"], "val_loss")] == [1, 2, 3]
        assert runs["trial-0002"].info.start_time == 1_700_000_000_000


@pytest.mark.usefixtures("with_database")
def test_an_open_run_without_a_record_is_closed(tmp_path: Path) -> None:
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1")) as tracker:
        record(tracker, "trial-0000")
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1")):
        pass
    assert [run.info.status for run in children(f"sqlite:///{tmp_path / 'mlflow.db'}")] == ["KILLED"]


def test_an_unusable_database_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database")
    with (
        pytest.raises(PipelineError, match=r"mlflow\.db cannot be used"),
        Tracker(tmp_path, None, StudyRun("digits", "q@1")),
    ):
        pass


def open_tracker(root: Path) -> None:
    with Tracker(root, None, StudyRun("digits", "quick@1")):
        pass


def is_half_created(file: Path) -> bool:
    """Whether MLflow is about to replace a table."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name LIKE '_alembic_tmp%'").fetchall())
    except sqlite3.Error:
        return False


@pytest.mark.slow
def test_a_kill_while_tables_are_created_leaves_no_broken_database(tmp_path: Path) -> None:
    process = get_context("spawn").Process(target=open_tracker, args=(tmp_path,))
    process.start()
    while not any(is_half_created(file) for file in tmp_path.rglob("mlflow*.db")):
        assert process.is_alive()
    process.kill()
    process.join()
    open_tracker(tmp_path)
    assert not list(tmp_path.glob(".state/*.db*"))


def test_a_database_deleted_without_its_log_is_created_again(tmp_path: Path) -> None:
    open_tracker(tmp_path)
    file, log = tmp_path / "mlflow.db", tmp_path / "mlflow.db-wal"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE left_over AS SELECT hex(randomblob(9000)) AS x FROM experiments")
        database.commit()
        written = log.read_bytes()
    assert written
    file.unlink()
    log.write_bytes(written)
    open_tracker(tmp_path)
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'left_over'").fetchall()


@pytest.mark.usefixtures("with_database")
def test_logging_takes_no_time_of_the_caller(tmp_path: Path) -> None:
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1")) as tracker:
        start = time.thread_time()
        for k in range(50):
            record(tracker, f"trial-{k:04d}", 10).finish("complete", {})
        assert time.thread_time() - start < 0.2
        tracker.end("complete")
    assert len(children(f"sqlite:///{tmp_path / 'mlflow.db'}")) == 50


@pytest.mark.usefixtures("with_database")
def test_a_kill_between_a_run_and_its_parameters_loses_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RETRY_AFTER_S", 0.1)
    monkeypatch.setattr(background, "SYNC_EVERY_S", 0.1)
    log_batch, n_failed = MlflowClient.log_batch, []

    def cut(self: MlflowClient, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        if params and not n_failed:
            n_failed.append(1)
            raise ConnectionResetError
        log_batch(self, run_id, metrics, params, tags)

    monkeypatch.setattr(MlflowClient, "log_batch", cut)
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1")) as tracker:
        first = record(tracker, "trial-0000")
        first.finish("complete", {"score": 0.3})
        deadline = time.monotonic() + 30
        while not first.written.closed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        tracker.end("complete")
    assert n_failed
    runs = children(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert [run.data.params for run in runs] == [{"lr": "0.1"}]
    assert runs[0].info.status == "FINISHED"


@pytest.mark.usefixtures("with_database")
def test_a_stage_does_not_close_the_open_runs_of_another(tmp_path: Path) -> None:
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1", {"dvc_stage": "search@quick"})) as tracker:
        record(tracker, "trial-0000")
    with Tracker(tmp_path, None, StudyRun("digits", "quick@1", {"dvc_stage": "evaluate@quick"})):
        pass
    assert [run.info.status for run in children(f"sqlite:///{tmp_path / 'mlflow.db'}")] == ["RUNNING"]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def server(root: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{root / 'server.db'}", "--default-artifact-root", str(root / "a")]
    command += ["--allowed-hosts", f"127.0.0.1:{port},localhost:{port}"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = (root / f"server-{time.monotonic_ns()}.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


@pytest.mark.slow
def test_an_unreachable_server_gets_all_when_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RETRY_AFTER_S", 0.5)
    monkeypatch.setattr(background, "SYNC_EVERY_S", 0.1)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with Tracker(tmp_path, uri, StudyRun("digits", "quick@1")) as tracker:  # unreachable at the start
        record(tracker, "trial-0000").finish("complete", {"score": 0.3})
        second = record(tracker, "trial-0001", 1)
        assert tracker.run_ids() == {}
        with server(tmp_path, port):
            deadline = time.monotonic() + 60
            while not second.written.n:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        second.epochs.append(epoch(2))  # dies midway
        second.finish("complete", {"score": 0.2})
        third = record(tracker, "trial-0002")
        time.sleep(1.5)
        third.finish("complete", {"score": 0.1})
        with server(tmp_path, port):
            deadline = time.monotonic() + 60
            while not (second.written.closed and third.written.closed):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            runs = {run.info.run_name: run for run in children(uri)}
            assert len(children(uri)) == 3
            assert {run.info.status for run in runs.values()} == {"FINISHED"}
            assert [step for step, _ in curve(uri, runs["trial-0001"], "val_loss")] == [1, 2]
