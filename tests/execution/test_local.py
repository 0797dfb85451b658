"""Local workers: jobs in parallel, and every way of dying is reported without harm to the other jobs."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import Failed, Finished, Job, OnEpoch, Result, Stopped
from pipeline.execution.local import LocalExecutor
from pipeline.execution.settings import SearchSettings

MLP: Configuration = {"model": "mlp", "mlp.width": 16, "lr": 0.01, "batch_size": 64, "n_epochs": 3}

KILLED = Failed("the worker process was killed by SIGKILL during a training", died=True)


def run(executor: LocalExecutor, jobs: list[Job], on_epoch: OnEpoch) -> list[Result]:
    results = dict(executor.run(jobs, on_epoch))
    return [results[i] for i in range(len(jobs))]


def job(folder: Path, weights: Path | None = None, **changes: object) -> Job:
    return Job({**MLP, **changes}, folder / "development", 1, "macro_f1", weights)  # type: ignore[dict-item]


def test_each_of_more_jobs_than_workers_stops_on_request(digits_folder: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []

    def on_epoch(i: int, epoch: Epoch) -> bool:
        heard.append((epoch.epoch, i))
        return i == 0 or epoch.epoch < 2

    with LocalExecutor(SearchSettings(workers=2)) as executor:
        jobs = [job(digits_folder, tmp_path / "0.safetensors"), job(digits_folder, lr=0.02), job(digits_folder)]
        first, second, third = run(executor, jobs, on_epoch)
    assert isinstance(first, Finished)
    assert second == third == Stopped()
    assert sorted(heard) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]
    assert (tmp_path / "0.safetensors").stat().st_size > 4 * first.n_parameters
    assert first.best_epoch == 3
    assert 0 < first.score <= 1


def test_failures_spare_the_other_jobs_and_the_worker(digits_folder: Path) -> None:
    broken = job(digits_folder, model="cnn", **{"cnn.depth": 6})
    with LocalExecutor(SearchSettings(workers=2)) as executor:
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
        os.kill(executor._workers[0].process.pid or 0, signal.SIGKILL)
        return True

    with LocalExecutor(SearchSettings(workers=1)) as executor:
        died = run(executor, [job(digits_folder)], kill)[0]
        assert died == KILLED
        assert isinstance(run(executor, [job(digits_folder)], lambda i, epoch: True)[0], Finished)


@pytest.mark.parametrize("busy", [True, False])
def test_closing_leaves_no_process(digits_folder: Path, busy: bool) -> None:
    pids: list[int] = []

    def interrupt(i: int, epoch: Epoch) -> bool:
        pids.extend(worker.process.pid or 0 for worker in executor._workers)
        if busy:
            raise KeyboardInterrupt
        return True

    start = time.monotonic()
    try:
        with LocalExecutor(SearchSettings(workers=1)) as executor:
            run(executor, [job(digits_folder)], interrupt)
            start = time.monotonic()
    except KeyboardInterrupt:
        assert busy
    assert pids
    assert time.monotonic() - start < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_killed_training_resumes_from_its_last_epoch(digits_folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "slot.checkpoint"
    plain = job(digits_folder, tmp_path / "plain.safetensors", n_epochs=5, optimizer="adamw", schedule="one_cycle")
    resumed = dataclasses.replace(plain, weights=tmp_path / "resumed.safetensors", checkpoint=checkpoint)
    heard: list[list[Epoch]] = [[], [], []]

    def kill(i: int, epoch: Epoch) -> bool:
        heard[0].append(epoch)
        if epoch.epoch == 3:
            os.kill(executor._workers[0].process.pid or 0, signal.SIGKILL)
        return True

    with LocalExecutor(SearchSettings(workers=1)) as executor:
        assert run(executor, [resumed], kill) == [KILLED]
        assert checkpoint.exists()
        second = run(executor, [resumed], lambda i, epoch: bool(heard[1].append(epoch)) or True)[0]
        whole = run(executor, [plain], lambda i, epoch: bool(heard[2].append(epoch)) or True)[0]
    assert heard[1][:3] == heard[0]  # repeated as they were, seconds included
    assert [dataclasses.replace(epoch, seconds=0) for epoch in heard[1]] == [
        dataclasses.replace(epoch, seconds=0) for epoch in heard[2]
    ]
    assert second == whole
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["a flipped byte", "another seed"])
def test_a_checkpoint_that_does_not_fit_is_not_used(digits_folder: Path, tmp_path: Path, damage: str) -> None:
    checkpoint = tmp_path / "slot.checkpoint"
    first = dataclasses.replace(job(digits_folder), checkpoint=checkpoint)
    heard: list[Epoch] = []

    def kill(i: int, epoch: Epoch) -> bool:
        os.kill(executor._workers[0].process.pid or 0, signal.SIGKILL)
        return True

    with LocalExecutor(SearchSettings(workers=1)) as executor:
        run(executor, [first], kill)
        if damage == "another seed":
            first = dataclasses.replace(first, seed=2)
        else:
            content = bytearray(checkpoint.read_bytes())
            content[len(content) // 2] ^= 1
            checkpoint.write_bytes(bytes(content))
        again = run(executor, [first], lambda i, epoch: bool(heard.append(epoch)) or True)[0]
        plain = run(executor, [dataclasses.replace(first, checkpoint=None)], lambda i, epoch: True)[0]
    assert again == plain
    assert len(heard) == 3


def test_a_training_beyond_a_limit_fails(digits_folder: Path) -> None:
    endless = job(digits_folder, n_epochs=10_000)
    with LocalExecutor(SearchSettings(workers=1, limit_s=3)) as executor:
        slow = run(executor, [endless], lambda i, epoch: True)[0]
        assert slow == Failed("took longer than the 3 s of search.limit_s")
        assert isinstance(run(executor, [job(digits_folder, n_epochs=1)], lambda i, epoch: True)[0], Finished)
    with LocalExecutor(SearchSettings(workers=1, limit_gb=0.01)) as executor:
        large = run(executor, [endless], lambda i, epoch: True)[0]
        assert isinstance(large, Failed)
        assert "more than the 0.01 of search.limit_gb" in large.reason
