"""Seconds of training until a search is as good as the best trial of a grid, compared with those of the whole grid.

Both are experiment files, used unchanged. One worker trains the grid, then the search, so that neither slows the
other; counted are the seconds of all epochs, of pruned trials too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measurement import Row
from benchmarks.search_overhead import new_study, temporary_root
from pipeline.artifacts.epoch import Epoch
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.trials import EndedTrial, ended_trials, results

TARGET = 0.25
ROLES = ("baseline", "one_at_a_time", "search")


def rows(root: Path) -> Iterator[Row]:
    """Yield the comparison on MNIST; print how to get the data set if it is missing. root: of the repository."""
    development = root / "data/split/mnist/development"
    if development.is_dir():
        yield from compare(root / "experiments/mnist_grid.yaml", root / "experiments/mnist.yaml", development)
    else:
        print(f"The search is not compared with a grid: {development} is missing; run: dvc repro split@mnist")


def compare(grid_file: Path, search_file: Path, development: Path) -> Iterator[Row]:
    """Yield a row for the whole search and one for it without its baseline; the objective of the search decides.

    The baseline of the grid's file is not part of the grid.
    """
    grid, search = read_experiment(grid_file), read_experiment(search_file)
    with open_executor(SearchSettings(workers=1)) as executor:
        grid_trials = _trials(grid, development, executor)
        search_trials = _trials(search, development, executor)
    score = f"val_{search.objective}"
    grid_epochs = _epochs(grid_trials, ("search",))
    grid_s = sum(epoch.seconds for epoch in grid_epochs)
    best = max(getattr(epoch, score) for epoch in grid_epochs)
    for roles, without in ((ROLES, ""), (ROLES[1:], ", its baseline aside")):
        epochs = _epochs(search_trials, roles)
        n_epochs = next((n for n, epoch in enumerate(epochs, 1) if getattr(epoch, score) >= best), None)
        search_s = sum(epoch.seconds for epoch in epochs[:n_epochs])
        never = "" if n_epochs else ": never"
        name = f"search {search.name}{without}, training until as good as {grid.name}{never}"
        yield Row(
            name, search_s, reference=grid_s, unit="s", aim="at most", target=TARGET, is_valid=n_epochs is not None
        )


def _trials(experiment: Experiment, development: Path, executor: Executor) -> list[EndedTrial]:
    """Return all trials by slot, which is the order in which one worker trains them."""
    with temporary_root() as root, new_study(root, experiment, executor) as coordinator:
        coordinator.run(development)
        return results(ended_trials(coordinator.study.optuna), experiment)


def _epochs(trials: Sequence[EndedTrial], roles: tuple[str, ...]) -> list[Epoch]:
    return [epoch for trial in trials if trial.role in roles for epoch in trial.epochs]
