"""Seconds until a search is as good as a grid, from pretended and from real trainings."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import grid
from conftest import EXPERIMENT
from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import Finished, Job, OnEpoch, Result
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.search.trials import EndedTrial, RungScore

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


class ScriptedWorker:
    """A worker whose epochs take 1 s and have the given scores."""

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


def trial(slot: int, role: str = "search", **changes: Any) -> EndedTrial:
    values: dict[str, Any] = {
        "number": slot, "state": "complete", "config": {}, "epochs": (), "score": None, "violation": 0.0,
        "reason": "", "died": False, "diverged": False, "lost": False, "started_ms": 0, "ended_ms": 0,
    }  # fmt: skip
    return EndedTrial(slot=slot, role=role, **values | changes)


def epochs(*scores: float) -> tuple[Epoch, ...]:
    """Return epochs of 1 s."""
    return tuple(Epoch(i, 1, 0.5, 0.5, 1, score, 0.5, None, None, 0.1, 1.0) for i, score in enumerate(scores, 1))


def use_scores(scores: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def scripted(settings: SearchSettings) -> Iterator[ScriptedWorker]:
        assert settings.workers == 1
        yield ScriptedWorker(scores)

    monkeypatch.setattr(grid, "open_executor", scripted)


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path / "grid.yaml"


def test_seconds_until_a_search_is_as_good_as_a_grid(
    grid_file: Path, experiment_file: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid_scores = [0.9] * 3 + [0.2, 0.3, 0.45] + [0.2] * 9  # the baseline, which is not part of it; then four trials
    use_scores([*grid_scores, *(k / 10 for k in range(1, 16))], monkeypatch)
    whole, samples = grid.compare(grid_file, experiment_file, digits_folder / "development")
    assert whole.name == "search quick, training until as good as grid"
    assert (whole.ours, whole.reference, whole.target, whole.met) == (5, 12, 0.25, False)
    assert samples.name == "search quick, its baseline aside, training until as good as grid"
    assert (samples.ours, samples.reference, samples.met) == (2, 12, True)


@pytest.mark.parametrize(
    ("scores", "seconds", "met", "end"),
    [([0.3, 0.44, 0.45, 0.1], 3, True, "grid"), ([0.1, 0.1, 0.1, 0.5], 4, False, "grid"),
     ([0.3, 0.44], 2, False, "grid: never")],
)  # fmt: skip
def test_a_search_that_is_never_as_good_meets_no_target(
    scores: list[float], seconds: float, met: bool, end: str,
    grid_file: Path, experiment_file: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    curves = {"grid": [0.2, 0.45, 0.3, 0.2] * 3, "quick": scores}
    use_scores([], monkeypatch)

    def trials(experiment: Experiment, *_: object) -> list[EndedTrial]:
        return [trial(1, epochs=epochs(*curves[experiment.name]))]

    monkeypatch.setattr(grid, "_trials", trials)
    row, _ = grid.compare(grid_file, experiment_file, digits_folder / "development")
    assert (row.ours, row.reference, row.met) == (seconds, 12, met)
    assert row.name == f"search quick, training until as good as {end}"


RUNGS = "{rungs: [{share: 1/9}, {share: 1/3, best: 1, seeds: 2}]}"


@pytest.fixture
def halving_file(experiment_file: Path) -> Path:
    text = EXPERIMENT.replace("pruner: {name: median, startup_trials: 1, warmup: 0.3}", f"fidelity: {RUNGS}")
    known = "enqueue: [{model: cnn, lr: 0.01, batch_size: 32, cnn.width: 8}]"
    experiment_file.write_text(f"{text}{known}\n")
    return experiment_file


@pytest.mark.parametrize(
    ("first_mean", "seconds", "met", "end"), [(0.44, 9, False, "grid: never"), (0.5, 7, True, "grid")]
)
def test_every_training_at_a_rung_counts_and_scores_do_at_the_last_one(
    first_mean: float, seconds: float, met: bool, end: str,
    grid_file: Path, halving_file: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In the order of one worker: the first rung of slots 1 to 3, then two seeds of slot 1, then of slot 3."""

    def rung(number: int, repeat: int, score: float) -> RungScore:
        return RungScore(number, 1 / 3, repeat, score, steps=10, seconds=1.0 + number)

    of_search = [
        trial(0, "baseline", epochs=epochs(0.1)),
        trial(1, rungs=(rung(0, 0, 0.99), rung(1, 0, first_mean + 0.1), rung(1, 1, first_mean - 0.1))),
        trial(2, state="pruned", rungs=(rung(0, 0, 0.2),)),
        trial(3, rungs=(rung(0, 0, 0.9), rung(1, 0, 0.3))),
    ]
    seen = {}

    def trials(experiment: Experiment, *_: object) -> list[EndedTrial]:
        seen[experiment.name] = experiment
        return of_search if experiment.name == "quick" else [trial(1, epochs=epochs(*[0.45] * 40))]

    use_scores([], monkeypatch)
    monkeypatch.setattr(grid, "_trials", trials)
    whole, drawn = grid.compare(grid_file, halving_file, digits_folder / "development")
    assert (drawn.ours, drawn.reference, drawn.met) == (seconds, 40, met)
    assert drawn.name.endswith(f"its baseline aside, training until as good as {end}")
    assert whole.ours == seconds + 1
    assert (seen["quick"].first_sampled, seen["quick"].trials) == (1, 4)  # nothing is enqueued


@pytest.mark.slow
def test_a_search_with_rungs_and_a_grid_on_digits(digits_folder: Path, grid_file: Path, halving_file: Path) -> None:
    test_a_search_and_a_grid_on_digits(digits_folder, grid_file, halving_file)


@pytest.mark.slow
def test_a_search_and_a_grid_on_digits(digits_folder: Path, grid_file: Path, experiment_file: Path) -> None:
    for row in grid.compare(grid_file, experiment_file, digits_folder / "development"):
        assert row.ours > 0
        assert row.reference > 0
