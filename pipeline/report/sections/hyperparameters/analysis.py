"""The influence of one hyperparameter, and the sentence on it: from variations of the baseline, else from the draws.

In the draws all parameters moved together.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.yaml_document import Scalar
from pipeline.report.formatting import cell, percent
from pipeline.statistics.intervals import CONFIDENCE

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
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    return None if seeds.size < 2 else z * math.sqrt(2) * float(seeds.std(ddof=1))


def effect_sentence(effect: Effect, objective: str) -> str:
    """Return one sentence; a difference that seeds alone may make is called noise."""
    key, noise = effect.key, effect.noise
    trained = [(v, s) for v, s in zip(effect.values, effect.scores, strict=True) if s is not None]
    failed = [_shown(v) for v, s in zip(effect.values, effect.scores, strict=True) if s is None]
    end = f" Training failed at {', '.join(failed)}." if failed else ""
    if len(trained) < 2:
        return f"{key}: nothing to compare.{end}"
    first, at_first = trained[0]
    last, at_last = trained[-1]
    best, highest = max(trained, key=lambda t: t[1])
    worst, lowest = min(trained, key=lambda t: t[1])
    if noise is not None and highest - lowest <= noise:
        among = f"between {_shown(first)} and {_shown(last)}" if effect.numeric else f"{len(trained)} values"
        return (
            f"{key}, {among}: no difference beyond the noise between seeds (scores within "
            f"{100 * (highest - lowest):.1f} points; two seeds may be {100 * noise:.1f} apart).{end}"
        )
    if effect.numeric and abs(at_last - at_first) > (noise or 0):
        moved = "lowered" if at_last < at_first else "raised"
        sentence = (
            f"Raising {key} from {_shown(first)} to {_shown(last)} {moved} the {objective} on val "
            f"from {percent(at_first)} to {percent(at_last)}; best at {_shown(best)} ({percent(highest)})."
        )
    else:
        sentence = (
            f"{key}: the {objective} on val was best at {_shown(best)} ({percent(highest)}) "
            f"and worst at {_shown(worst)} ({percent(lowest)})."
        )
    return f"{sentence}{'' if noise is not None else ' How much of it is noise, one seed cannot show.'}{end}"


def _shown(value: Any) -> str:
    return "the default" if value is None else cell(value)


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


def trend_sentence(of: Trend, objective: str) -> str:
    """Return one cautious sentence."""
    if of.constant is not None and of.n > 1:
        return f"{of.key} was {cell(of.constant)} in every complete draw, so its influence is unknown."
    if of.n < MIN_DRAWS:
        return f"{of.key}: {of.n} complete draw{'s' * (of.n != 1)} cannot show its influence."
    if of.rho is None:
        return f"{of.key}: all {of.n} complete draws scored the same."
    rho = f"Spearman’s ρ = {of.rho:+.2f}, n = {of.n}".replace("-", "−")
    caution = "searched together with other parameters, so no cause"
    if not of.ordered:
        return f"{of.key}: no order among the complete draws beyond chance ({rho}; {caution})."
    word = "higher" if of.rho > 0 else "lower"
    return f"{of.key}: complete draws with a larger value had a {word} {objective} on val ({rho}; {caution})."
