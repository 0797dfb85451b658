"""Seconds of training until a search is as good as the best trial of a grid, compared with those of the whole grid.

Both are experiment files; configurations that the search's file enqueues are left out, since earlier searches chose
them. One worker trains the grid, then the search, so that neither slows the other. Counted are the seconds of all
epochs, of pruned trials too, and of the trainings at every rung. With rungs, a configuration has a score once it has
ended the last of them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measurement import Row
from benchmarks.search_overhead import new_study, temporary_root
from pipeline.artifacts.samples import Samples
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.cost_limit import IsAffordable, limit_of_cost
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
    is_affordable = limit_of_cost(search, Samples.read(development))
    without_known = {"enqueued": (), "trials": search.trials - len(search.enqueued)}
    drawn = Experiment.model_construct(**{**dict(search), **without_known})
    with open_executor(SearchSettings(workers=1)) as executor:
        grid_trials = _trials(grid, development, executor)
        search_trials = _trials(drawn, development, executor, is_affordable)
    of_grid = _pieces(grid_trials, ("search",), search)
    grid_s, best = sum(piece.seconds for piece in of_grid), max(piece.score or 0.0 for piece in of_grid)
    for roles, without in ((ROLES, ""), (ROLES[1:], ", its baseline aside")):
        pieces = _pieces(search_trials, roles, search)
        n = next((n for n, piece in enumerate(pieces, 1) if piece.score is not None and piece.score >= best), None)
        search_s = sum(piece.seconds for piece in pieces[:n])
        never = "" if n else ": never"
        name = f"search {search.name}{without}, training until as good as {grid.name}{never}"
        yield Row(name, search_s, reference=grid_s, unit="s", aim="at most", target=TARGET, is_valid=n is not None)


class Piece(NamedTuple):
    """An epoch, or a training at a rung."""

    seconds: float
    score: float | None  # None: not of a configuration that has ended the last rung


def _trials(
    experiment: Experiment,
    development: Path,
    executor: Executor,
    is_affordable: IsAffordable = lambda config: True,
) -> list[EndedTrial]:
    with temporary_root() as root, new_study(root, experiment, executor, is_affordable) as coordinator:
        coordinator.run(development)
        return results(ended_trials(coordinator.study.optuna), experiment)


def _pieces(trials: Sequence[EndedTrial], roles: tuple[str, ...], search: Experiment) -> list[Piece]:
    """Return what trials of these roles were trained, in the order of one worker: rung by rung, then by slot.

    search: whose objective is the score, and whose last rung decides.
    """
    last = len(search.fidelity.rungs) - 1 if search.fidelity else 0
    pieces = []
    for trial in (trial for trial in trials if trial.role in roles):
        for epoch in trial.epochs:
            score = float(getattr(epoch, f"val_{search.objective}"))
            pieces.append((0, trial.slot, epoch.epoch, Piece(epoch.seconds, score)))
        n_last = sum(each.rung == last for each in trial.rungs)
        for each in trial.rungs:
            is_end = each.rung == last and each.repeat == n_last - 1
            pieces.append(
                (each.rung, trial.slot, each.repeat, Piece(each.seconds, trial.mean_score(last) if is_end else None))
            )
    return [piece for *_, piece in sorted(pieces, key=lambda of: of[:3])]
