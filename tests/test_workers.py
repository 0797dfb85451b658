"""Workers: side by side, and every way of dying is reported, never shared."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.config import Flat
from pipeline.training import Epoch
from pipeline.workers import Answer, Failed, Finished, Job, LocalExecutor

MLP: Flat = {"model": "mlp", "mlp.width": 16, "lr": 0.01, "batch_size": 64, "n_epochs": 3}


def run(executor: LocalExecutor, jobs: list[Job], on_epoch: Answer) -> list[Finished | Failed]:
    results = dict(executor.run(jobs, on_epoch))
    return [results[i] for i in range(len(jobs))]


def job(folder: Path, weights: Path | None = None, **changes: object) -> Job:
    return Job({**MLP, **changes}, folder / "development", 1, "macro_f1", weights)  # type: ignore[dict-item]


def test_more_jobs_than_workers_each_stop_when_told(digits_folder: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []

    def on_epoch(i: int, epoch: Epoch) -> bool:
        heard.append((epoch.epoch, i))
        return i == 0 or epoch.epoch < 2

    with LocalExecutor(2, 1) as executor:
        jobs = [job(digits_folder, tmp_path / "0.safetensors"), job(digits_folder, lr=0.02), job(digits_folder)]
        first, second, third = run(executor, jobs, on_epoch)
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert isinstance(third, Finished)
    assert (first.stopped, second.stopped) == (False, True)
    assert sorted(heard) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]
    assert third == dataclasses.replace(first, best_epoch=2, score=third.score, stopped=True)
    assert (tmp_path / "0.safetensors").stat().st_size > 4 * first.n_parameters
    assert 0 < second.score < first.score <= 1


def test_failures_leave_the_others_and_the_worker_alive(digits_folder: Path) -> None:
    broken = job(digits_folder, model="cnn", **{"cnn.depth": 6})
    with LocalExecutor(2, 1) as executor:
        failed, finished = run(executor, [broken, job(digits_folder)], lambda i, epoch: True)
        assert isinstance(failed, Failed)
        assert "cnn: block 4 of 6 leaves no pixel" in failed.reason
        assert not failed.died
        assert isinstance(finished, Finished)
        full = run(executor, [job(digits_folder, Path("/proc/weights.safetensors"))], lambda i, epoch: True)[0]
        assert isinstance(full, Failed)
        assert "/proc" in full.reason
        assert not full.died
        unknown = run(executor, [job(digits_folder, nonsense=1)], lambda i, epoch: True)[0]
        assert isinstance(unknown, Failed)
        assert "ValidationError" in unknown.reason


def test_a_killed_worker_is_reported_and_replaced(digits_folder: Path) -> None:
    def kill(i: int, epoch: Epoch) -> bool:
        os.kill(executor._busy[0][0].pid or 0, signal.SIGKILL)
        return True

    with LocalExecutor(1, 1) as executor:
        died = run(executor, [job(digits_folder)], kill)[0]
        assert died == Failed("the worker process ended by SIGKILL in mid-training", died=True)
        assert isinstance(run(executor, [job(digits_folder)], lambda i, epoch: True)[0], Finished)


@pytest.mark.parametrize("busy", [True, False])
def test_closing_leaves_no_process(digits_folder: Path, busy: bool) -> None:
    pids: list[int] = []

    def interrupt(i: int, epoch: Epoch) -> bool:
        pids.extend(process.pid or 0 for process, _ in executor._busy)
        if busy:
            raise KeyboardInterrupt
        return True

    start = time.monotonic()
    try:
        with LocalExecutor(1, 1) as executor:
            run(executor, [job(digits_folder)], interrupt)
            start = time.monotonic()
    except KeyboardInterrupt:
        assert busy
    assert pids
    assert time.monotonic() - start < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
