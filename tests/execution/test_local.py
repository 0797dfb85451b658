"""Local workers: jobs in parallel, and every way of dying is reported without harm to the other jobs."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
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


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    """Yield an executor whose workers the tests share, since each takes seconds to start."""
    with LocalExecutor(SearchSettings(workers=2)) as executor:
        yield executor


@dataclass(frozen=True)
class KilledTraining:
    """A training of 5 epochs whose worker was killed after the third."""

    job: Job
    checkpoint: Path
    result: Result
    heard: list[Epoch]


@pytest.fixture(scope="module")
def killed(executor: LocalExecutor, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> KilledTraining:
    checkpoint = tmp_path_factory.mktemp("killed") / "slot.checkpoint"
    plain = job(digits_folder, n_epochs=5, optimizer="adamw", schedule="one_cycle")
    heard: list[Epoch] = []

    def kill(i: int, epoch: Epoch) -> bool:
        heard.append(epoch)
        if epoch.epoch == 3:
            (busy,) = (worker for worker in executor._workers if not worker.is_idle)
            os.kill(busy.process.pid or 0, signal.SIGKILL)
        return True

    (result,) = run(executor, [replace(plain, checkpoint=checkpoint)], kill)
    assert checkpoint.exists()
    return KilledTraining(plain, checkpoint, result, heard)


def test_each_of_more_jobs_than_workers_stops_on_request(
    executor: LocalExecutor, digits_folder: Path, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []

    def on_epoch(i: int, epoch: Epoch) -> bool:
        heard.append((epoch.epoch, i))
        return i == 0 or epoch.epoch < 2

    jobs = [job(digits_folder, tmp_path / "0.safetensors"), job(digits_folder, lr=0.02), job(digits_folder)]
    first, second, third = run(executor, jobs, on_epoch)
    assert isinstance(first, Finished)
    assert second == third == Stopped()
    assert sorted(heard) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]
    assert (tmp_path / "0.safetensors").stat().st_size > 4 * first.n_parameters
    assert first.best_epoch == 3
    assert 0 < first.score <= 1


def test_failures_spare_the_other_jobs_and_the_worker(executor: LocalExecutor, digits_folder: Path) -> None:
    broken = job(digits_folder, model="cnn", **{"cnn.depth": 6})
    failed, finished = run(executor, [broken, job(digits_folder)], lambda i, epoch: True)
    workers = list(executor._workers)
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
    assert executor._workers == workers


def test_a_killed_worker_is_reported_and_replaced(
    executor: LocalExecutor, killed: KilledTraining, digits_folder: Path
) -> None:
    assert killed.result == KILLED
    results = run(executor, [job(digits_folder), job(digits_folder)], lambda i, epoch: True)
    assert all(isinstance(result, Finished) for result in results)
    assert len(executor._workers) == 2


def test_a_killed_training_resumes_from_its_last_epoch(
    executor: LocalExecutor, killed: KilledTraining, tmp_path: Path
) -> None:
    plain = replace(killed.job, weights=tmp_path / "plain.safetensors")
    checkpoint = shutil.copy(killed.checkpoint, tmp_path)
    resumed = replace(plain, weights=tmp_path / "resumed.safetensors", checkpoint=Path(checkpoint))
    heard: list[list[Epoch]] = [[], []]
    second = run(executor, [resumed], lambda i, epoch: bool(heard[0].append(epoch)) or True)[0]
    whole = run(executor, [plain], lambda i, epoch: bool(heard[1].append(epoch)) or True)[0]
    assert heard[0][:3] == killed.heard  # repeated as they were, seconds included
    assert [replace(epoch, seconds=0) for epoch in heard[0]] == [replace(epoch, seconds=0) for epoch in heard[1]]
    assert isinstance(second, Finished)
    assert second == whole
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["a flipped byte", "another seed"])
def test_a_checkpoint_that_does_not_fit_is_not_used(
    executor: LocalExecutor, killed: KilledTraining, tmp_path: Path, damage: str
) -> None:
    checkpoint = tmp_path / "slot.checkpoint"
    content = bytearray(killed.checkpoint.read_bytes())
    plain = killed.job
    if damage == "another seed":
        plain = replace(plain, seed=2)
    else:
        content[len(content) // 2] ^= 1
    checkpoint.write_bytes(bytes(content))
    heard: list[Epoch] = []
    again = run(executor, [replace(plain, checkpoint=checkpoint)], lambda i, epoch: bool(heard.append(epoch)) or True)
    assert again == run(executor, [plain], lambda i, epoch: True)
    assert len(heard) == 5
    assert not set(heard) & set(killed.heard)


def test_a_training_beyond_a_limit_fails(
    executor: LocalExecutor, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = job(digits_folder, n_epochs=10_000)
    with monkeypatch.context() as patch:
        patch.setattr(executor, "settings", SearchSettings(workers=2, limit_s=1))
        slow = run(executor, [endless], lambda i, epoch: True)[0]
    assert slow == Failed("took longer than the 1 s of search.limit_s")
    assert isinstance(run(executor, [job(digits_folder, n_epochs=1)], lambda i, epoch: True)[0], Finished)
    monkeypatch.setattr(executor, "settings", SearchSettings(workers=2, limit_gb=0.01))
    large = run(executor, [endless], lambda i, epoch: True)[0]
    assert isinstance(large, Failed)
    assert "more than the 0.01 of search.limit_gb" in large.reason


@pytest.mark.parametrize("busy", [True, False])
def test_closing_leaves_no_process(executor: LocalExecutor, digits_folder: Path, busy: bool) -> None:
    """The last test: afterwards the executor has no workers."""
    pids: list[int] = []

    def interrupt(i: int, epoch: Epoch) -> bool:
        pids.extend(worker.process.pid or 0 for worker in executor._workers)
        if busy:
            raise KeyboardInterrupt
        return True

    start = time.monotonic()
    try:
        with executor:
            run(executor, [job(digits_folder)], interrupt)
            start = time.monotonic()
    except KeyboardInterrupt:
        assert busy
    assert pids
    assert time.monotonic() - start < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
