"""What a search loses against the best configuration of the table, and how soon it is as good as random search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.search_proof.replay import TOP, Order, Policy, Replay, designed_order, halving, in_full, one_cut
from benchmarks.search_proof.table import TruthTable
from pipeline.experiment.experiment import Experiment
from pipeline.statistics.intervals import CONFIDENCE
from pipeline.statistics.robust_regression import Array

HALVING, RANDOM, ONE_CUT, SOBOL = "halving", "random search in full", "one cut", "Sobol in full on two machines"
SEARCHES = (HALVING, ONE_CUT, SOBOL, RANDOM)


@dataclass(frozen=True)
class Regret:
    """Points of score by which the best of the first `top` finalists is worse than the best of the table.

    end: 95 % quantile over draws of configurations and seeds; None without draws.
    """

    search: str
    top: int
    points: float  # mean over seeds
    end: float | None
    seconds: float  # of the search over those of training everything in full, mean over seeds


def regret(
    table: TruthTable, search: str, policy: Policy, *, top: int = TOP, draws: int = 0, rng: np.random.Generator
) -> Regret:
    """Return the regret of a policy. draws: bootstrap of configurations inside families, repeated ones once."""
    every, seeds = np.arange(table.n), range(table.n_seeds)
    replays = [policy(table, seed, every) for seed in seeds]
    points = [_points(table, replay, seed, every, top) for seed, replay in enumerate(replays)]
    shares = [replay.seconds[-1] / in_full(table, seed, every).seconds[-1] for seed, replay in enumerate(replays)]
    drawn = []
    for _ in range(draws):
        rows = _distinct(table, rng)
        of_seeds = rng.integers(table.n_seeds, size=table.n_seeds)
        known = {seed: _points(table, policy(table, seed, rows), seed, rows, top) for seed in set(of_seeds.tolist())}
        drawn.append(np.mean([known[seed] for seed in of_seeds.tolist()]))
    end = float(np.quantile(drawn, CONFIDENCE)) if drawn else None
    return Regret(search, top, float(np.mean(points)), end, float(np.mean(shares)))


def _points(table: TruthTable, replay: Replay, seed: int, rows: Order, top: int) -> float:
    truth = table.truth[:, seed]
    return float(100 * (truth[rows].max() - truth[replay.finalists[:top]].max()))


def _distinct(table: TruthTable, rng: np.random.Generator) -> Order:
    """Return the rows that a bootstrap inside families draws, each once: copies would take the places of others."""
    names = table.families.astype(str)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    return np.unique(np.concatenate([rng.choice(of, of.size) for of in members]))


def one_seed(experiment: Experiment, schedule: str) -> Policy:
    """Return the experiment's halving with one seed at every rung and another schedule."""
    assert experiment.fidelity
    rungs = tuple(rung.model_copy(update={"seeds": 1}) for rung in experiment.fidelity.rungs)
    fidelity = experiment.fidelity.model_copy(update={"rungs": rungs, "schedule": schedule})
    changed = experiment.model_copy(update={"fidelity": fidelity})
    return lambda table, seed, order: halving(table, seed, order, changed)


@dataclass(frozen=True)
class Race:
    """Replays of the searches under the same seeds, one list per search. seeds: of the replays."""

    table: TruthTable
    seeds: list[int]
    replays: dict[str, list[Replay]]

    @classmethod
    def of(cls, table: TruthTable, n: int, rng: np.random.Generator) -> "Race":
        """Replay each search n times, each time in another order, under the seeds of the table in turn."""
        race = cls(
            table, [k % table.n_seeds for k in range(n)], {name: [] for name in (HALVING, ONE_CUT, SOBOL, RANDOM)}
        )
        for seed in race.seeds:
            designed, mixed = designed_order(table.families, rng), rng.permutation(table.n)
            race.replays[HALVING].append(halving(table, seed, designed))
            race.replays[ONE_CUT].append(one_cut(table, seed, mixed))
            race.replays[SOBOL].append(in_full(table, seed, designed, machines=2))
            race.replays[RANDOM].append(in_full(table, seed, mixed))
        return race

    def quality(self, k: int) -> Array:
        """Return the truth under which replay k is judged, (N,)."""
        return np.asarray(self.table.truth[:, self.seeds[k]])

    def to_target(self, search: str) -> Array:
        """Return the seconds of each replay to the final score of its random search; inf: never."""
        out = []
        for k, replay in enumerate(self.replays[search]):
            quality = self.quality(k)
            out.append(replay.reaches(quality, quality[self.replays[RANDOM][k].picks[-1]]))
        return np.array(out)

    def seconds(self, search: str) -> Array:
        """Return the seconds of each replay as a whole."""
        return np.array([replay.seconds[-1] for replay in self.replays[search]])

    def regrets(self, search: str, seconds: Sequence[float]) -> Array:
        """Return the regret in points of what each replay recommends at these seconds, inf before, (n, K)."""
        at = np.array(seconds)
        rows = []
        for k, replay in enumerate(self.replays[search]):
            quality = self.quality(k)
            rows.append(100 * (quality.max() - replay.quality_at(at, quality)))
        return np.array(rows)
