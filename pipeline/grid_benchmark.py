"""Seconds of training until a search is as good as the best of a grid, against those of the whole grid.

Both are experiment files as they stand. One worker trains the grid, then the search, so that neither disturbs the
other; seconds are those of the epochs, of pruned trials too.
"""

import contextlib
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.experiment import read_experiment
from pipeline.runs import StudyRun
from pipeline.search import Coordinator
from pipeline.search_benchmark import at_most
from pipeline.setup import Search
from pipeline.space import Experiment
from pipeline.studies import open_study
from pipeline.tracking import Tracker
from pipeline.trials import finished_trials
from pipeline.workers import Executor, open_executor

TARGET = 0.25


def compare(grid_file: Path, search_file: Path, development: Path) -> dict[str, Any]:
    """A row of the table; the objective of the search decides. Neither baseline counts: it is what both start from."""
    grid, search = read_experiment(grid_file), read_experiment(search_file)
    with open_executor(Search(workers=1)) as executor:
        of_grid, of_search = (_epochs(experiment, development, executor) for experiment in (grid, search))
    score = f"val_{search.objective}"
    best = max(epoch[score] for epoch in of_grid)
    reached = [i for i, epoch in enumerate(of_search, 1) if epoch[score] >= best]
    n_epochs = reached[0] if reached else len(of_search)
    seconds, of_whole_grid = (sum(e["seconds"] for e in epochs) for epochs in (of_search[:n_epochs], of_grid))
    name = f"search {search.name}, training until as good as {grid.name}"
    row = at_most(name if reached else f"{name}: never", seconds, of_whole_grid, "s", TARGET)
    return {**row, "met": bool(reached) and row["met"]}


def _epochs(experiment: Experiment, development: Path, executor: Executor) -> list[dict[str, Any]]:
    """Of all trials but the baseline, in the order of training: with one worker slot by slot."""
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # the board
        root = Path(folder)
        tracker = Tracker(root, None, StudyRun(experiment.dataset, experiment.name))
        with open_study(root / "state", experiment, {}) as study, tracker:
            Coordinator(study, experiment, development, executor, tracker).run()
            trials = finished_trials(study.optuna, experiment)
    return [epoch for trial in trials if trial["role"] != "baseline" for epoch in trial["curves"]]
