"""The best trials of the last rung: of each family, with and without given configurations, and by their time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pipeline.artifacts.runs import SearchRuns
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.statistics.intervals import CONFIDENCE, Estimate


@dataclass(frozen=True)
class Finalist:
    """A trial at the last rung."""

    number: int
    family: str
    role: str
    scores: tuple[float, ...]  # on val, of its seeds
    source: str = ""  # the study that an enqueued configuration comes from

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def error(self) -> float | None:
        """Return the standard error over seeds; None for one seed."""
        n = len(self.scores)
        return float(np.std(self.scores, ddof=1)) / n**0.5 if n > 1 else None


def finalists(analysis: Analysis) -> list[Finalist]:
    """Return the trials with a score at the last rung, the best first."""
    table = analysis.search.rungs
    table = table[table["rung"] == analysis.top]
    reached = table[table["score"].notna()]["number"].unique()
    table = table[table["number"].isin(reached)].fillna({"score": 0.0})  # a seed that failed counts as 0
    scores = table.groupby("number")["score"].apply(tuple)
    trials = analysis.trials
    sources = {n: study for study, numbers in analysis.search.study.enqueued_from.items() for n in numbers}
    rows = zip(trials["number"], analysis.families, trials["role"], strict=True)
    out = [
        Finalist(int(n), str(family), str(role), scores=scores[n], source=sources.get(n, ""))
        for n, family, role in rows
        if n in scores.index
    ]
    return sorted(out, key=lambda of: (-of.mean, of.number))


def best_of_families(every: list[Finalist]) -> list[Finalist]:
    """Return the best finalist of each family, the best first."""
    best = {of.family: of for of in reversed(every)}
    return [of for of in every if best[of.family] is of]


def lead(first: Finalist, second: Finalist) -> Estimate | None:
    """Return the difference of two means over seeds with Welch's 95 % interval; None where one has a single seed."""
    if first.error is None or second.error is None:
        return None
    parts = [(of.error or 0.0) ** 2 for of in (first, second)]
    total = sum(parts)
    spread = sum(part**2 / (len(of.scores) - 1) for part, of in zip(parts, (first, second), strict=True))
    df = total**2 / spread if spread else 1e9
    half = float(special.stdtrit(df, (1 + CONFIDENCE) / 2)) * total**0.5
    difference = first.mean - second.mean
    return Estimate(difference, difference - half, difference + half)


def pooled_error(every: list[Finalist]) -> float | None:
    """Return the standard error of the best, with the SD between seeds pooled over finalists; None without repeats."""
    repeated = [of.scores for of in every if len(of.scores) > 1]
    if not repeated:
        return None
    squares = sum(float(np.var(scores)) * len(scores) for scores in repeated)
    variance = squares / sum(len(scores) - 1 for scores in repeated)
    return float(np.sqrt(variance / len(every[0].scores)))


def training_seconds(analysis: Analysis, runs: SearchRuns) -> pd.Series:
    """Return the seconds of one training at the last rung, by trial: those of all its rungs, scaled by their shares."""
    table = analysis.search.rungs
    of_seeds = table.groupby(["number", "repeat"])["share"]
    continued = (analysis.search.study.fidelity or {}).get("schedule") == "prefix"  # each rung the one before
    shares = (of_seeds.max() if continued else of_seeds.sum()).groupby("number").sum()
    seconds = pd.Series({run.number: run.seconds for run in runs.trials})
    return (seconds / shares * analysis.share(analysis.top)).dropna()


def network_sizes(analysis: Analysis) -> pd.Series:
    """Return the trainable weights of each trial."""
    table = analysis.search.rungs
    return table[table["parameters"].notna()].groupby("number")["parameters"].first()


def pareto(every: list[Finalist], costs: pd.Series) -> list[Finalist]:
    """Return the finalists that no other beats in both score and cost, the cheapest first. costs: by trial."""
    out: list[Finalist] = []
    for of in sorted((of for of in every if of.number in costs), key=lambda of: (costs[of.number], -of.mean)):
        if not out or of.mean > out[-1].mean:
            out.append(of)
    return out
