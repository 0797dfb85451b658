"""Seconds of training until a search is as good as the best of a grid, against those of the whole grid.

Both are experiment files as they stand. One worker trains the grid, then the search, so that neither disturbs the
other; seconds are those of the epochs, of pruned trials too.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.search_overhead import at_most
from pipeline.artifacts.epoch import Epoch
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.search.coordinator import Coordinator
from pipeline.search.study import open_study
from pipeline.search.trials import EndedTrial, ended_trials, results
from pipeline.tracking.run_record import StudyRun
from pipeline.tracking.tracker import Tracker

TARGET = 0.25
ROLES = ("baseline", "one_at_a_time", "search")


def compare(grid_file: Path, search_file: Path, development: Path) -> Iterator[dict[str, Any]]:
    """Two rows of the table: the search with its baseline, and its draws alone; its objective decides.

    The baseline of the grid's file is no part of the grid.
    """
    grid, search = read_experiment(grid_file), read_experiment(search_file)
    with open_executor(SearchSettings(workers=1)) as executor:
        grid_trials, search_trials = (_trials(experiment, development, executor) for experiment in (grid, search))
    score = f"val_{search.objective}"
    of_grid = _epochs(grid_trials, ("search",))
    best, of_whole_grid = max(getattr(e, score) for e in of_grid), sum(e.seconds for e in of_grid)
    for roles, aside in ((ROLES, ""), (ROLES[1:], ", its baseline aside")):
        of_search = _epochs(search_trials, roles)
        reached = [i for i, epoch in enumerate(of_search, 1) if getattr(epoch, score) >= best]
        seconds = sum(epoch.seconds for epoch in of_search[: reached[0] if reached else len(of_search)])
        name = f"search {search.name}{aside}, training until as good as {grid.name}"
        row = at_most(name if reached else f"{name}: never", seconds, of_whole_grid, "s", TARGET)
        yield {**row, "met": bool(reached) and row["met"]}


def _trials(experiment: Experiment, development: Path, executor: Executor) -> list[EndedTrial]:
    """Return all of them in the order of training: with one worker slot by slot."""
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # the progress
        root = Path(folder)
        tracker = Tracker(root, None, StudyRun(experiment.dataset, experiment.name))
        with open_study(root / "state", experiment, {}) as study, tracker:
            Coordinator(study, experiment, executor, tracker).run(development)
            return results(ended_trials(study.optuna), experiment)


def _epochs(trials: Sequence[EndedTrial], roles: tuple[str, ...]) -> list[Epoch]:
    return [epoch for trial in trials if trial.role in roles for epoch in trial.epochs]
