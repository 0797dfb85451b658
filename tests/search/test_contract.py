"""Every sampler with every pruner, or with rungs, gives the same trials on every executor, also after a kill."""

import random
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from conftest import EXPERIMENT
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.local import LocalExecutor
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.registry import pruners, samplers
from pipeline.search.coordinator import Coordinator
from pipeline.search.study import open_study
from pipeline.search.trials import close_open_trials, ended_trials, results
from pipeline.tracking.run_record import StudyRun
from pipeline.tracking.tracker import Tracker

OPTIONS = {"median": ", startup_trials: 1", "patience": ", epochs: 1", "hyperband": ", first_rung: 0.3"}


RUNGS = {  # in place of a pruner, by the schedule
    "whole": "{rungs: [{share: 0.3}, {share: 0.5, best: 2, seeds: 2}, {share: 1, best: 1}]}",
    "prefix": "{schedule: prefix, rungs: [{share: 0.3}, {share: 0.5, best: 2, seeds: 2}, {share: 1, best: 1}]}",
}
SLOW = pytest.mark.slow


@pytest.fixture(scope="module", params=[pytest.param("one", marks=SLOW), "two", pytest.param("ray", marks=SLOW)])
def executor(request: pytest.FixtureRequest, local_executor: LocalExecutor) -> Iterator[Executor]:
    if request.param == "ray":
        with open_executor(SearchSettings(workers=2, executor="ray")) as ray:
            yield ray
    else:
        local_executor.n_workers = {"one": 1, "two": 2}[request.param]
        yield local_executor


@pytest.fixture
def two_workers(local_executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> LocalExecutor:
    monkeypatch.setattr(local_executor, "n_workers", 2)
    return local_executor


@pytest.fixture(scope="module")
def seen() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the trials per sampler and pruner, of the executor that is tested first."""
    return {}


def write(folder: Path, sampler: str, pruner: str) -> Path:
    learns_early = ", startup_trials: 2" if "startup_trials" in samplers()[sampler].model_fields else ""
    text = EXPERIMENT.replace("{name: tpe, startup_trials: 2}", f"{{name: {sampler}{learns_early}}}")
    old = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
    new = f"fidelity: {RUNGS[pruner]}" if pruner in RUNGS else f"pruner: {{name: {pruner}{OPTIONS.get(pruner, '')}}}"
    text = text.replace(old, new)
    if sampler == "design":
        text = text.replace("{name: design}", "{name: design, per_family: 2}")
    if samplers()[sampler].exhaustive:
        text = text.replace("{low: 1e-4, high: 1e-1, log: true}", "[0.1, 0.01]").replace("{low: 8, high: 64}", "[8]")
        text = text.replace("cnn.width: [4, 8]", "cnn.width: [4]").replace("trials: 5", "trials: 9")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "quick.yaml"
    path.write_text(text.replace("trials: 5", "trials: 7"))
    return path


def search(root: Path, file: Path, digits: Path, executor: Executor, **options: bool) -> list[dict[str, Any]]:
    experiment = read_experiment(file)
    with open_study(root / "state", experiment, {}) as study:
        close_open_trials(study.optuna)
        n_seeds = [rung.seeds for rung in experiment.fidelity.rungs] if experiment.fidelity else []
        earlier = [trial.record(experiment.seed, n_seeds) for trial in ended_trials(study.optuna)]
        with Tracker(root.parent, None, StudyRun("digits", f"quick@{root.name}"), earlier) as tracker:
            Coordinator(study, experiment, executor, tracker, **options).run(digits / "development")
        trials = results(ended_trials(study.optuna), experiment)
    keep = ("number", "state", "score", "role", "config")
    return [
        {key: getattr(trial, key) for key in keep}
        | {"epochs": len(trial.epochs), "rungs": {(r.rung, r.repeat): (r.score, r.steps) for r in trial.rungs}}
        for trial in trials
    ]


QUICK = {("tpe", "hyperband"), ("grid", "none"), ("qmc", "patience"), ("design", "whole")}
TRIED = [(sampler, pruner) for sampler in samplers() for pruner in [*pruners(), "whole"]]
TRIED += [("design", "prefix"), ("grid", "prefix")]
PAIRS = [pytest.param(*pair, marks=() if pair in QUICK else SLOW) for pair in TRIED]


@pytest.mark.parametrize(("sampler", "pruner"), PAIRS)
def test_equal_seeds_give_equal_trials_on_every_executor(
    tmp_path_factory: pytest.TempPathFactory,
    digits_folder: Path,
    executor: Executor,
    seen: dict[tuple[str, str], list[dict[str, Any]]],
    sampler: str,
    pruner: str,
) -> None:
    root = (
        tmp_path_factory.getbasetemp()
        / "contract"
        / f"{sampler}-{pruner}-{type(executor).__name__}-{executor.n_workers}"
    )
    trials = search(root, write(root, sampler, pruner), digits_folder, executor)
    assert len(trials) == (9 if samplers()[sampler].exhaustive else 7)
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    assert trials[0]["state"] == "complete"
    assert pruner != "none" or all(trial["state"] == "complete" for trial in trials)
    assert trials == seen.setdefault((sampler, pruner), trials)


def search_alone(root: Path, file: Path, digits: Path) -> None:
    with open_executor(SearchSettings(workers=2)) as executor:
        search(root, file, digits, executor)


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "pruner"), TRIED)
def test_a_kill_at_a_random_time_changes_no_trial(
    tmp_path: Path,
    digits_folder: Path,
    two_workers: LocalExecutor,
    seen: dict[tuple[str, str], list[dict[str, Any]]],
    sampler: str,
    pruner: str,
) -> None:
    if (sampler, pruner) not in seen:
        calm = tmp_path / "calm"
        seen[sampler, pruner] = search(calm, write(calm, sampler, pruner), digits_folder, two_workers)
    root = tmp_path / "killed"
    n_lines = random.Random(f"{sampler} {pruner}").randint(5, 40)
    given = root, write(root, sampler, pruner), digits_folder
    process = get_context("spawn").Process(target=search_alone, args=given)
    process.start()
    journals: list[Path] = []
    while process.is_alive() and not (journals and journals[0].read_bytes().count(b"\n") >= n_lines):
        journals = list(root.glob("state/*/journal.log"))
        time.sleep(0.005)
    assert process.is_alive(), "the search ended before it was killed"
    process.kill()
    process.join()
    trials = search(*given, two_workers)
    assert numberless(trials) == numberless(seen[sampler, pruner])
    if pruner in RUNGS:  # every trial keeps its number
        assert trials == seen[sampler, pruner]


def numberless(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return trials without their numbers, which interrupted trials take too."""
    return [{key: value for key, value in trial.items() if key != "number"} for trial in trials]


@pytest.mark.usefixtures("with_database")
def test_the_number_of_workers_changes_no_trial(
    tmp_path: Path, digits_folder: Path, local_executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = []
    for workers in (1, 3):  # fewer and more than are sampled together
        root = tmp_path / str(workers)
        monkeypatch.setattr(local_executor, "n_workers", workers)
        trials.append(search(root, write(root, "tpe", "successive_halving"), digits_folder, local_executor))
    assert len(trials[0]) == 7
    assert trials[0] == trials[1]


@pytest.mark.usefixtures("with_database")
def test_every_slot_is_filled_if_the_search_is_not_reproducible(
    tmp_path: Path, digits_folder: Path, executor: Executor
) -> None:
    file = write(tmp_path / "rolling", "tpe", "median")
    file.write_text(file.read_text().replace("trials: 7", "trials: 3"))
    first = search(tmp_path / "rolling", file, digits_folder, executor, reproducible=False)
    file.write_text(file.read_text().replace("trials: 3", "trials: 7"))
    trials = search(tmp_path / "rolling", file, digits_folder, executor, reproducible=False)
    assert trials[:3] == first
    assert len(trials) == 7
    assert [trial["role"] for trial in trials] == ["baseline"] + ["search"] * 6
