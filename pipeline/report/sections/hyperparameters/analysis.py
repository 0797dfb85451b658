"""The influence of one hyperparameter: from variations of the baseline if there are any, else from the draws.

In the draws all parameters moved together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.yaml_document import Scalar
from pipeline.statistics.intervals import Z

ALWAYS_SHOWN = ("lr", "batch_size", "n_epochs")  # in every report, varied or not
MIN_DRAWS = 6  # complete ones: below, even a perfect order of ranks is weak evidence
ORDERED_P = 0.05  # of a rank correlation, above which no order is claimed


@dataclass(frozen=True)
class Effect:
    """The baseline with one parameter changed, trained once per value; numbers in their order, names as tried."""

    key: str
    values: list[Scalar | None]  # None: the default
    scores: list[float | None]  # best epoch on val; None: the training failed
    baseline: int  # position of the baseline's own value
    noise: float | None  # see `repeatability`

    @property
    def numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


def baseline_seeds(evaluation: Evaluation) -> NDArray[np.float64]:
    """Return the scores on val of the retrained baseline, (S,)."""
    return np.array([run.val_score for run in evaluation.runs("baseline")], dtype=float)


def effects(search: SearchResult, seeds: NDArray[np.float64]) -> list[Effect]:
    """Return one effect per parameter that was varied alone. seeds: of `baseline_seeds`."""
    complete = search.trials[search.trials["state"] == "complete"]
    scores = {int(n): float(s) for n, s in zip(complete["number"], complete["score"], strict=True)}
    tried: dict[str, dict[Scalar | None, int]] = {}  # key -> value -> trial; of a value trained twice the later one
    own: dict[str, Scalar | None] = {}
    for trial in search.study.variations:
        key = trial.key
        own[key] = trial.baseline
        tried.setdefault(key, {own[key]: search.study.baseline.number})[trial.value] = trial.number
    result = []
    for key, numbers in tried.items():
        values = list(numbers)
        if all(isinstance(value, int | float) for value in values):
            values.sort(key=lambda value: float(value or 0))
        reached = [scores.get(numbers[value]) for value in values]
        result.append(Effect(key, values, reached, values.index(own[key]), repeatability(seeds)))
    return result


def repeatability(seeds: NDArray[np.float64]) -> float | None:
    """Return the difference that two trainings with different seeds exceed in 5 % of cases; None for a single seed.

    seeds: (S,) scores of one configuration, whose SD is taken for that of all.
    Source: repeatability limit, ISO 5725-6.
    """
    return None if seeds.size < 2 else Z * math.sqrt(2) * float(seeds.std(ddof=1))


@dataclass(frozen=True)
class Trend:
    """Rank correlation of a parameter with the score over the complete draws."""

    key: str
    n: int  # draws
    rho: float | None  # Spearman's; None below MIN_DRAWS, or where the parameter or the score is always the same
    ordered: bool  # rho differs from 0 beyond chance
    constant: Scalar | None  # the one value of all draws


def trend(search: SearchResult, key: str) -> Trend:
    """Return the trend of a numeric parameter."""
    draws = search.draws("complete").dropna(subset=[key])
    values, n = draws[key].astype(float), len(draws)
    constant = float(values.iloc[0]) if values.nunique() == 1 else None
    if n < MIN_DRAWS or constant is not None or draws["score"].nunique() < 2:
        return Trend(key, n, None, False, constant)
    spearman = stats.spearmanr(values, draws["score"])
    return Trend(key, n, float(spearman.statistic), bool(spearman.pvalue < ORDERED_P), None)
