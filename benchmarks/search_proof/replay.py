"""Searches replayed on the truth table: one worker, one training after the other, and what is recommended meanwhile.

Each replay uses the scores of one seed, and is judged by the truth: full trainings under the other seeds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_proof.table import FULL, Kind, TruthTable
from pipeline.experiment.experiment import Experiment
from pipeline.search.halving import Halving, Task
from pipeline.search.trials import EndedTrial, RungScore
from pipeline.statistics.robust_regression import Array

TOP = 3  # configurations that a search recommends
Order = NDArray[np.int64]  # rows of the table in the order in which they are trained


@dataclass(frozen=True)
class Replay:
    """A search. seconds: (K,), rising; picks: (K,) rows of the table, each recommended from its second on."""

    seconds: Array
    picks: Order
    finalists: list[int]  # up to TOP rows, best first
    rungs: tuple[tuple[int, RungScore], ...] = ()  # row and result of each training of a halving

    def reaches(self, quality: Array, target: float) -> float:
        """Return the second from which every recommendation is at least as good as the target; inf: never.

        quality: (N,).
        """
        is_worse = np.flatnonzero(quality[self.picks] < target - 1e-9)
        first = int(is_worse[-1]) + 1 if is_worse.size else 0
        return float(self.seconds[first]) if first < self.picks.size else float("inf")

    def quality_at(self, seconds: Array, quality: Array) -> Array:
        """Return the quality of what is recommended at these seconds; -inf before anything is."""
        places = np.searchsorted(self.seconds, seconds, side="right") - 1
        return np.where(places < 0, -np.inf, quality[self.picks[np.maximum(places, 0)]])


Policy = Callable[[TruthTable, int, Order], Replay]


def halving(table: TruthTable, seed: int, order: Order, experiment: Experiment | None = None) -> Replay:
    """Replay the experiment with its own rules.

    Between two rungs the best of the lower one is recommended, until all trainings of the higher one have ended.
    experiment: with another schedule or number of seeds at a rung than in the file.
    """
    experiment = experiment or table.experiment
    halved = _Halved(table, seed, order, experiment)
    log: list[tuple[float, int]] = []
    leader: int | None = None
    for task in halved.rules.first_tasks(halved.rows, ()):
        halved.train(task)
        leader = task.slot if leader is None else max(leader, task.slot, key=halved.place)
        log.append((halved.clock, halved.rows[leader]))
    for rung in range(1, len(halved.rules.rungs)):
        halved.climb(rung)
        log.append((halved.clock, halved.best_first()[0]))
    seconds, picks = zip(*log, strict=True)
    trials = halved.trials.values()
    rungs = tuple((halved.rows[trial.slot], each) for trial in trials for each in trial.rungs)
    return Replay(np.array(seconds), np.array(picks), halved.best_first()[:TOP], rungs)


class _Halved:
    """The state of a halving: its trials by slot."""

    def __init__(self, table: TruthTable, seed: int, order: Order, experiment: Experiment) -> None:
        assert experiment.fidelity
        self.table, self.seed, self.clock = table, seed, 0.0
        self.rules, self.schedule = Halving(experiment), experiment.fidelity.schedule
        self.rows = {experiment.first_sampled + k: int(row) for k, row in enumerate(order)}
        configs = list(table.configs.values())
        self.trials = {
            slot: EndedTrial(
                number=slot, slot=slot, state="open", role="search", config=configs[row], epochs=(), score=None,
                violation=0.0, reason="", died=False, diverged=False, lost=False, started_ms=0, ended_ms=0,
            )
            for slot, row in self.rows.items()
        }  # fmt: skip

    def train(self, task: Task) -> None:
        assert task.rung is not None
        trial, rungs = self.trials[task.slot], self.rules.rungs
        row, share = self.rows[task.slot], rungs[task.rung].share
        kind: Kind = "whole" if share == FULL or self.schedule == "whole" else "prefix"
        score = self.table.scores(kind, share, task.repeat)[row, self.seed]
        seconds = self.table.seconds(kind, share, task.repeat)[row, self.seed]
        if self.schedule == "prefix" and task.rung:  # continues the training of the rung before
            seconds -= self.table.seconds("prefix", rungs[task.rung - 1].share, task.repeat)[row, self.seed]
        self.clock += seconds
        known = None if np.isnan(score) else float(score)
        result = RungScore(task.rung, share, task.repeat, known, seconds=float(seconds))
        trial = replace(trial, rungs=(*trial.rungs, result))
        is_failed = trial.failed_at(task.rung, rungs[task.rung].seeds)
        self.trials[task.slot] = replace(trial, state="failed" if is_failed else "open")

    def climb(self, rung: int) -> None:
        """Train what reaches a rung, and close the others, as the coordinator does."""
        while tasks := self.rules.tasks(self.trials.values(), rung):
            for task in tasks:
                self.train(task)
        reached = {trial.slot for trial in self.rules.reaching(self.trials.values(), rung)}
        for slot, trial in self.trials.items():
            if trial.state == "open" and slot not in reached:
                self.trials[slot] = replace(trial, state="pruned")

    def place(self, slot: int) -> tuple[int, float, int]:
        """Return what the better of two trials has more of: the highest rung with a score, then the mean there."""
        trial = self.trials[slot]
        top = max((each.rung for each in trial.rungs if each.score is not None), default=-1)
        return top, trial.mean_score(top) or 0.0, -slot

    def best_first(self) -> list[int]:
        return [self.rows[slot] for slot in sorted(self.trials, key=self.place, reverse=True)]


def in_full(table: TruthTable, seed: int, order: Order, machines: int = 1) -> Replay:
    """Train every configuration in full; each second counts on all machines."""
    scores, seconds = (of[order, seed] for of in (table.scores("whole", FULL), table.seconds("whole", FULL)))
    return Replay(seconds.cumsum() / machines, _best_so_far(scores, order), _top(scores, order))


def one_cut(table: TruthTable, seed: int, order: Order) -> Replay:
    """Train every configuration to the lowest rung, then the TOP best in full, and choose among them.

    Families are not kept apart. Source: Egele et al. 2023, arXiv:2307.15422, with one epoch as the rung.
    """
    share = table.shares[0]
    scores, seconds = (of[order, seed] for of in (table.scores("whole", share), table.seconds("whole", share)))
    best = _top(scores, order)
    full, full_s = (of[best, seed] for of in (table.scores("whole", FULL), table.seconds("whole", FULL)))
    finalists = _top(full, np.array(best))
    clock = [*seconds.cumsum(), seconds.sum() + full_s.sum()]
    return Replay(np.array(clock), np.array([*_best_so_far(scores, order), finalists[0]]), finalists)


def designed_order(families: NDArray[np.object_], rng: np.random.Generator) -> Order:
    """Return the rows as a design draws them, families in turn; which of its draws come first is random.

    The numbers of the draws are shifted digitally, which maps the intervals of a Sobol sequence to one another.
    """
    names = list(rng.permutation(np.unique(families.astype(str))))
    number = np.zeros(families.size, dtype=int)
    for name in names:
        members = families.astype(str) == name
        number[members] = np.arange(members.sum())
    size = 1 << int(number.max()).bit_length()
    shifted = number ^ int(rng.integers(size))
    place = np.array([names.index(name) for name in families.astype(str)])
    return np.asarray(np.lexsort((place, shifted)))


def _best_so_far(scores: Array, order: Order) -> Order:
    known = np.nan_to_num(scores, nan=-np.inf)
    is_new = known > np.concatenate([[-np.inf], np.maximum.accumulate(known)[:-1]])
    places = np.maximum.accumulate(np.where(is_new, np.arange(known.size), 0))
    return order[places]


def _top(scores: Array, order: Iterable[int]) -> list[int]:
    best = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:TOP]
    return [int(row) for row in np.asarray(order)[best]]
