"""The benchmark: on tiny pictures its rows say what was measured, and the picture shows them."""

import io
import resource
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import current_process
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from benchmarks import grid, memory, report, search_overhead, training_speed
from benchmarks.search_overhead import at_least, at_most, generated, write_pictures
from benchmarks.training_speed import MRI, TASKS, Task
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.files import read_json
from pipeline.datasets.registry import find_spec
from pipeline.execution.job import Finished, Job, OnEpoch, Result
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.file import read_experiment
from pipeline.params import read_params
from pipeline.training.config import Training

ROOT = Path(__file__).parents[2]
KEYS = ["name", "ours", "reference", "unit", "ratio", "aim", "target", "met"]
TINY = Task("tiny CNN", {"model": "cnn", "cnn.width": 2, "batch_size": 8}, (8, 8, 1), 16, 1.5)


def check(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = list(rows)
    for row in rows:
        assert list(row) == KEYS
        assert row["ours"] > 0
        assert row["reference"] > 0
        assert row["ratio"] == row["ours"] / row["reference"]
    return rows


def test_less_or_more_is_better() -> None:
    faster, slower = at_least("a", 30, 10, "images/s", 3), at_least("a", 29, 10, "images/s", 3)
    assert (faster["ratio"], faster["aim"], faster["met"]) == (3, "at least", True)
    assert not slower["met"]
    smaller, larger = at_most("b", 1.5, 1.5, "GB", 1), at_most("b", 1.6, 1.5, "GB", 1)
    assert (smaller["ratio"], smaller["aim"], smaller["met"]) == (1, "at most", True)
    assert not larger["met"]


def test_generated_pictures_are_a_development_folder(tmp_path: Path) -> None:
    samples = Samples.read(write_pictures(tmp_path, 24, (4, 6, 3)))
    assert samples.images.shape == (24, 4, 6, 3)
    assert (len(samples.part("train")[0]), len(samples.part("val")[0])) == (21, 3)
    assert generated(5, 2, (4, 6, 3)).table["part"].tolist() == [*["train"] * 5, *["val"] * 2]


# --- images per second


def test_the_first_round_is_no_measurement() -> None:
    """After it the passes of `a` take 1, 2 and 4 s, those of `b` 10, 10 and 10; the rounds alternate."""
    log, seconds = [], {"a": iter([99.0, 1, 2, 4]), "b": iter([99.0, 10, 10, 10])}

    def way(name: str) -> Callable[[], float]:
        return lambda: log.append(name) or next(seconds[name])  # type: ignore[func-returns-value]

    assert training_speed.speeds({"a": way("a"), "b": way("b")}, 40, rounds=3) == {"a": 20, "b": 4}
    assert log == ["a", "b"] * 4


def test_making_ready_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr(training_speed, "time", SimpleNamespace(perf_counter=lambda: clock["now"]))

    def make_ready() -> Callable[[], None]:
        clock["now"] += 100
        return lambda: clock.update(now=clock["now"] + 2)

    assert training_speed._timed(make_ready) == 2


def test_the_usual_way_has_a_process_started_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork would keep freed memory, as this process does."""
    monkeypatch.setattr(training_speed, "_make_usual", _says_its_process)
    samples = generated(8, 2, (8, 8, 1))
    pictures = training_speed.Pictures(*samples.part("train"))
    with (
        training_speed._usual(TINY.config, samples, pictures) as usual,
        pytest.raises(RuntimeError, match="SpawnProcess"),
    ):
        usual()


class _OfForks(training_speed.Pictures):
    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        assert type(current_process()).__name__ == "ForkProcess"
        return super().__getitem__(i)


def test_the_usual_way_forks_its_workers() -> None:
    """As PyTorch does on Linux; to start them anew would take longer than a pass."""
    samples = generated(16, 2, (8, 8, 1))
    with training_speed._usual(TINY.config, samples, _OfForks(*samples.part("train"))) as usual:
        assert usual() > 0


def _says_its_process(*_: object) -> Callable[[], None]:
    raise RuntimeError(type(current_process()).__name__)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_tasks_are_trainings_of_whole_batches(task: Task) -> None:
    training = {key: value for key, value in task.config.items() if "." not in key}
    assert task.n % Training.model_validate({**training, "lr": 0.1, "n_epochs": 1}).batch_size == 0


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 8, 3)])
def test_training_beside_the_usual_way_and_the_bound(shape: tuple[int, int, int]) -> None:
    usual, bound = check(training_speed.training(replace(TINY, shape=shape), rounds=1))
    assert (usual["name"], usual["target"]) == ("tiny CNN, against the usual", 1.5)
    assert (bound["name"], bound["target"]) == ("tiny CNN, against the bound", 0.95)
    assert usual["ours"] == bound["ours"]


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    (tmp_path / "jpegs").mkdir()
    return training_speed.write_jpegs(tmp_path / "jpegs", 4, 32)


def test_mri_training_beside_one_that_reads_files(jpegs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_speed, "USUAL_PX", 16)
    monkeypatch.setattr(training_speed, "MRI", MRI | {"batch_size": 4})
    monkeypatch.setattr(training_speed, "MRI_SIZES", {"large": ((16, 16, 3), 2.5), "small": ((8, 8, 1), 15)})
    rows = check(training_speed.mri_training(jpegs, rounds=1))
    assert [row["target"] for row in rows] == [2.5, 0.95, 15, 0.95]
    assert rows[0]["reference"] == rows[2]["reference"]  # one and the same usual way


def test_preparing_generated_or_published_files(jpegs: Path, tmp_path: Path) -> None:
    (row,) = check([training_speed.preparing(tmp_path, jpegs, rounds=1)])
    assert row["name"] == "prepare, generated 512 px JPEG to 64 px"
    assert row["reference"] == 2000
    with tarfile.open(tmp_path / find_spec("brain_mri").published.files[0].name, "w:gz") as archive:
        for name, folder in (("healthy", "no_tumor"), ("tumor", "brain_tumor")):
            for path in (jpegs / name).iterdir():
                archive.add(path, f"top/brain_imgs/{folder}/{path.name}")
    (row,) = check([training_speed.preparing(tmp_path, jpegs, rounds=1)])
    assert row["name"] == "prepare, files of brain_mri to 64 px"


# --- memory


def test_memory_is_measured_of_every_experiment_that_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    params = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    monkeypatch.setattr(memory, "STATUS", ROOT / "params.yaml")  # it is there on every system
    monkeypatch.setattr(memory, "published_images", lambda spec: 8)
    sides = []

    def peak(configs: object, development: Path) -> float:
        sides.append(Samples.read(development).images.shape[1])
        return 0.5

    monkeypatch.setattr(memory, "peak", peak)
    assert list(memory.peaks(ROOT)) == [(name, 0.5) for name in params["experiments"]]
    datasets = params["datasets"]
    assert sides == [datasets[dataset]["prepare"]["image_px"] for dataset in params["experiments"].values()]


def test_memory_is_measured_with_the_images_of_the_development_part() -> None:
    datasets = read_params(ROOT / "params.yaml").datasets
    assert memory.development_size("cifar10", datasets["cifar10"]) == (50_000, (32, 32, 3))
    assert memory.development_size("brain_mri", datasets["brain_mri"]) == (3910, (64, 64, 1))


def test_the_heaviest_of_a_space(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text("""
question: How large?
dataset: digits
trials: 4
fixed: {n_epochs: 3}
baseline: {model: mlp, lr: 0.001, batch_size: 8, mlp.width: 500, mlp.depth: 1}
space:
  model: [cnn, mlp]
  lr: {low: 0.001, high: 0.1, log: true}
  batch_size: [64, 128, 32]
  mlp.width: {low: 8, high: 64}
  mlp.depth: {choice: [1, 2], when: {model: [mlp]}}
  cnn.batch_norm: [true, false]
""")
    every = {"n_epochs": 3, "lr": 0.1, "batch_size": 128}
    assert memory.heaviest(read_experiment(tmp_path / "wide.yaml")) == [
        {"model": "mlp", "n_epochs": 3, "lr": 0.001, "batch_size": 8, "mlp.width": 500, "mlp.depth": 1},
        {"model": "cnn", "cnn.batch_norm": True, **every},
        {"model": "mlp", "mlp.width": 64, "mlp.depth": 2, **every},
    ]


def test_peak_memory_is_that_of_a_process_of_its_own(tmp_path: Path) -> None:
    """Not that of this one, which is larger."""
    np.ones(1_500_000_000, np.uint8)
    development = write_pictures(tmp_path, 64, (8, 8, 1))
    peak_gb = memory.peak([{"model": "mlp", "lr": 0.1, "batch_size": 8, "n_epochs": 1}], development)
    of_this_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert 0.1 < peak_gb < of_this_gb - 0.5


def test_memory_is_left_out_where_it_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    assert list(report.memory_rows(ROOT)) == []
    assert "Memory is not measured" in capsys.readouterr().out


# --- the search beside a grid

GRID = """
question: Which?
dataset: digits
objective: accuracy
trials: 5
sampler: {name: grid}
pruner: {name: none}
fixed: {model: mlp, n_epochs: 3}
baseline: {lr: 0.001, batch_size: 64}
space: {lr: [0.01, 0.1], batch_size: [32, 64]}
"""


class ToldWorkers:
    """A worker whose epochs take 1 s and are scored as told."""

    n_workers = 1

    def __init__(self, scores: Iterable[float]) -> None:
        self.scores = iter(scores)

    def run(self, jobs: Iterable[Job], on_epoch: OnEpoch) -> Iterator[tuple[int, Result]]:
        for i, job in enumerate(jobs):
            n_epochs = int(job.config["n_epochs"])
            scores = [next(self.scores) for _ in range(n_epochs)]
            for epoch, score in enumerate(scores, 1):
                assert on_epoch(i, Epoch(epoch, 1, 0.5, 0.5, 1, score, 0.5, None, None, 0.1, 1.0))
            yield i, Finished(n_epochs, max(scores), {}, 0)


def tell(scores: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def told(settings: SearchSettings) -> Iterator[ToldWorkers]:
        assert settings.workers == 1
        yield ToldWorkers(scores)

    monkeypatch.setattr(grid, "open_executor", told)


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path / "grid.yaml"


def test_seconds_until_a_search_is_as_good_as_a_grid(
    grid_file: Path, experiment_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_grid = [0.9] * 3 + [0.2, 0.3, 0.45] + [0.2] * 9  # the baseline, which is no part of it; then four trials
    tell([*of_grid, *(k / 10 for k in range(1, 16))], monkeypatch)
    whole, draws = check(grid.compare(grid_file, experiment_file, experiment_file.parent))
    assert whole["name"] == "search quick, training until as good as grid"
    assert (whole["ours"], whole["reference"], whole["target"], whole["met"]) == (5, 12, 0.25, False)
    assert draws["name"] == "search quick, its baseline aside, training until as good as grid"
    assert (draws["ours"], draws["reference"], draws["met"]) == (2, 12, True)


@pytest.mark.parametrize(
    ("scores", "seconds", "met", "end"),
    [([0.3, 0.44, 0.45, 0.1], 3, True, "grid"), ([0.1, 0.1, 0.1, 0.5], 4, False, "grid"),
     ([0.3, 0.44], 2, False, "grid: never")],
)  # fmt: skip
def test_a_search_that_is_never_as_good_meets_no_target(
    scores: list[float], seconds: float, met: bool, end: str,
    grid_file: Path, experiment_file: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told = {"grid": [0.2, 0.45, 0.3, 0.2] * 3, "quick": scores}
    epochs = {name: [{"val_accuracy": x, "seconds": 1.0} for x in of_one] for name, of_one in told.items()}
    tell([], monkeypatch)
    trials = {name: [{"role": "search", "curves": of_one}] for name, of_one in epochs.items()}
    monkeypatch.setattr(grid, "_trials", lambda experiment, *others: trials[experiment.name])
    row, _ = check(grid.compare(grid_file, experiment_file, experiment_file.parent))
    assert (row["ours"], row["reference"], row["met"]) == (seconds, 12, met)
    assert row["name"] == f"search quick, training until as good as {end}"


@pytest.mark.slow
def test_a_search_and_a_grid_on_digits(digits_folder: Path, grid_file: Path, experiment_file: Path) -> None:
    check(grid.compare(grid_file, experiment_file, digits_folder / "development"))


# --- all of it


def test_the_table_and_its_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_speed, "rows", lambda rounds, raw: [at_least("fast", 30, 10, "images/s", 4)])
    monkeypatch.setattr(memory, "peaks", lambda root: [("digits", 0.75)])
    monkeypatch.setattr(search_overhead, "rows", lambda rounds: [at_most("cost", 30, 100, "ms", 0.4)])
    monkeypatch.setattr(search_overhead, "scaling", lambda: [{"sampler": "tpe", "workers": 1}])
    report.run(tmp_path)
    found = read_json(tmp_path / "reports/benchmark.json")
    assert list(found) == ["machine", "date", "rows", "scaling"]
    rows = check(found["rows"])
    assert [(row["name"], row["met"]) for row in rows] == [
        ("fast", False), ("peak memory of training digits", True), ("cost", True),
    ]  # fmt: skip
    assert (tmp_path / "reports/benchmark.png").read_bytes().startswith(b"\x89PNG\r\n")
    said = capsys.readouterr().out
    assert "fast: 3\n" in said
    assert "data/split/mnist/development is missing; run: dvc repro split@mnist" in said


def test_the_picture_is_wide_enough_and_one_aim_is_enough(tmp_path: Path) -> None:
    report.write_chart(tmp_path / "chart.png", [at_least("fast", 30, 10, "images/s", 4)])
    header = io.BytesIO((tmp_path / "chart.png").read_bytes()).read(24)
    assert int.from_bytes(header[16:20], "big") >= 900  # pixels, as PNG writes them
