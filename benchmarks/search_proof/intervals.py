"""How narrow the intervals of effects are that designed draws and a halving give, by the project's own statistics."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_proof.replay import halving
from benchmarks.search_proof.table import TruthTable
from pipeline.artifacts.configuration import Configuration, SpaceEntry
from pipeline.statistics.effects import Model, effects, fit_model, log_errors
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import Array, bootstrap_weights
from pipeline.statistics.rung_agreement import Noise, paired_factor, seed_noise

N_DRAWS = 32
Widths = dict[str, list[float]]  # name of the effect -> half width of its interval as a factor, per seed


def half_widths(table: TruthTable, rng: np.random.Generator, n: int = N_DRAWS) -> Widths:
    """Return the widths of the effects of lr and batch size at the lowest rung, and of the steps to the next.

    The first n draws are used, for the steps those of them that a halving among them trains further.
    """
    rows = np.arange(min(n, table.n))
    out: Widths = {}
    for seed in range(table.n_seeds):
        logs = _logs(table, table.scores("whole", table.shares[0])[rows, seed])
        model = _model(table, logs, rng)
        known = effects(model) if model else []
        for effect in known:
            if effect.name in ("lr", "batch_size") and effect.interval:
                low, high = effect.interval
                out.setdefault(effect.name, []).append(float(np.sqrt(high / low)))
        steps = _steps(table, seed, logs, model)
        if steps and steps.low and steps.high:
            out.setdefault("steps", []).append(float(np.sqrt(steps.high / steps.low)))
    return out


def _logs(table: TruthTable, scores: Array) -> Array:
    return log_errors(scores, table.n_val)


def _model(table: TruthTable, logs: Array, rng: np.random.Generator) -> Model | None:
    experiment, n = table.experiment, logs.size
    configs = list(table.configs.values())[:n]
    keys = dict.fromkeys(entry.key for entry in experiment.space if entry.key != experiment.stratify)
    columns: dict[str, NDArray[Any]] = {}
    for key in keys:
        values = [config.get(key) for config in configs]
        if len({value for value in values if value is not None}) > 1:
            columns[key] = np.array(values, dtype=object)
    ranges = {key: ends for key in columns if (ends := _ranges(key, experiment.space, configs)) is not None}
    return fit_model(logs, table.families[:n], columns, bootstrap_weights(n, rng), ranges)


def _ranges(key: str, space: Sequence[SpaceEntry], configs: Sequence[Configuration]) -> Array | None:
    """Return lowest and highest value, (2,), or (n, 2) where they depend on other parameters; None without numbers."""
    cases = [entry for entry in space if entry.key == key]
    ends = []
    for entry in cases:
        values = entry.choices or (entry.low, entry.high)
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return None
        numbers = [float(value) for value in values]
        ends.append((min(numbers), max(numbers)))
    if len(cases) == 1:
        return np.array(ends[0])
    holds = [[all(c.get(k) in v for k, v in entry.when.items()) for entry in cases] for c in configs]
    return np.array([ends[each.index(True)] if True in each else ends[0] for each in holds])


def _steps(table: TruthTable, seed: int, logs: Array, model: Model | None) -> Estimate | None:
    """Return the factor on the error from the lowest rung to the next, of the configurations that a halving trains."""
    replay = halving(table, seed, np.arange(logs.size))
    reached = [(row, each.score) for row, each in replay.rungs if each.rung == 1 and each.score is not None]
    if not reached:
        return None
    numbers = np.array([row for row, _ in reached])
    after = _logs(table, np.array([score for _, score in reached]))
    later = np.full(logs.size, np.nan)
    for row in np.unique(numbers):
        later[row] = after[numbers == row].mean()
    noise: Noise | None = seed_noise(after, numbers)
    return paired_factor(logs, later, model.expected if model else None, noise)
