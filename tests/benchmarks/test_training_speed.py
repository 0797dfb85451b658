"""Images per second on tiny images: what is timed, in which process, and what it is compared with."""

import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import current_process, get_context
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import measurement, training_speed
from benchmarks.generated import generated
from benchmarks.measurement import Row
from benchmarks.training_speed import MRI, TASKS, Task
from pipeline.datasets.description import read_dataset
from pipeline.training.config import Training

TINY = Task("tiny CNN", {"model": "cnn", "cnn.width": 2, "batch_size": 8}, (8, 8, 1), 16, 1.5)


def checked(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, all of which hold measurements."""
    rows = list(rows)
    for row in rows:
        assert row.ours > 0
        assert row.reference > 0
        assert row.ratio == row.ours / row.reference
    return rows


def test_the_first_round_is_not_counted() -> None:
    """After it the passes of `a` take 1, 2 and 4 s, those of `b` 10, 10 and 10; the rounds alternate."""
    log = []
    seconds = {"a": iter([99.0, 1, 2, 4]), "b": iter([99.0, 10, 10, 10])}

    def way(name: str) -> Callable[[], float]:
        return lambda: log.append(name) or next(seconds[name])  # type: ignore[func-returns-value]

    assert training_speed.speeds({"a": way("a"), "b": way("b")}, 40, rounds=3) == {"a": 20, "b": 4}
    assert log == ["a", "b"] * 4


def test_making_a_pass_ready_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr(measurement, "time", SimpleNamespace(perf_counter=lambda: clock["now"]))

    def make_pass() -> Callable[[], None]:
        clock["now"] += 100
        return lambda: clock.update(now=clock["now"] + 2)

    assert training_speed._timed(make_pass) == 2


def _raise_the_process(*_: object) -> Callable[[], None]:
    raise RuntimeError(type(current_process()).__name__)


def test_the_usual_way_has_a_spawned_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork would keep freed memory, as this process does."""
    monkeypatch.setattr(training_speed, "_usual", _raise_the_process)
    samples = generated(8, 2, (8, 8, 1))
    images = training_speed.SingleImages(*samples.part("train"))
    with (
        training_speed._usual_way(TINY.config, samples, images) as usual,
        pytest.raises(RuntimeError, match="SpawnProcess"),
    ):
        usual()


@pytest.fixture(scope="module")
def spawned_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


@pytest.fixture
def shared_process(spawned_process: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the usual way of several tests share one process, which takes seconds to start."""
    monkeypatch.setattr(training_speed, "ProcessPoolExecutor", lambda *_: nullcontext(spawned_process))


class _ForkedImages(training_speed.SingleImages):
    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        assert type(current_process()).__name__ == "ForkProcess"
        return super().__getitem__(i)


@pytest.mark.usefixtures("shared_process")
def test_the_usual_way_forks_its_workers() -> None:
    """As PyTorch does on Linux; spawned workers would take longer to start than a pass takes."""
    samples = generated(16, 2, (8, 8, 1))
    with training_speed._usual_way(TINY.config, samples, _ForkedImages(*samples.part("train"))) as usual:
        assert usual() > 0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_tasks_are_trainings_of_whole_batches(task: Task) -> None:
    training = {key: value for key, value in task.config.items() if "." not in key}
    assert task.n % Training.model_validate({**training, "lr": 0.1, "n_epochs": 1}).batch_size == 0


@pytest.mark.usefixtures("shared_process")
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 8, 3)])
def test_training_is_compared_with_the_usual_way_and_the_bound(shape: tuple[int, int, int]) -> None:
    usual, bound = checked(training_speed.training(replace(TINY, shape=shape), rounds=1))
    assert (usual.name, usual.target) == ("tiny CNN, against the usual", 1.5)
    assert (bound.name, bound.target) == ("tiny CNN, against the bound", 0.95)
    assert usual.ours == bound.ours


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    (tmp_path / "jpegs").mkdir()
    return training_speed.write_jpegs(tmp_path / "jpegs", 4, 32)


@pytest.mark.usefixtures("shared_process")
def test_mri_training_is_compared_with_one_that_reads_files(jpegs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_speed, "USUAL_PX", 16)
    monkeypatch.setattr(training_speed, "MRI", MRI | {"batch_size": 4})
    monkeypatch.setattr(training_speed, "MRI_SIZES", {"large": ((16, 16, 3), 2.5), "small": ((8, 8, 1), 15)})
    rows = checked(training_speed.mri_training(jpegs, rounds=1))
    assert [row.target for row in rows] == [2.5, 0.95, 15, 0.95]
    assert rows[0].reference == rows[2].reference  # one and the same usual way


def test_preparing_generated_or_published_files(jpegs: Path, tmp_path: Path) -> None:
    (row,) = checked([training_speed.preparing(tmp_path, jpegs, rounds=1)])
    assert row.name == "prepare, generated 512 px JPEG to 64 px"
    assert row.reference == 2000
    with tarfile.open(tmp_path / read_dataset(Path(), "brain_mri").source.files()[0].name, "w:gz") as archive:
        for name, folder in (("healthy", "no_tumor"), ("tumor", "brain_tumor")):
            for path in (jpegs / name).iterdir():
                archive.add(path, f"top/brain_imgs/{folder}/{path.name}")
    (row,) = checked([training_speed.preparing(tmp_path, jpegs, rounds=1)])
    assert row.name == "prepare, files of brain_mri to 64 px"
