"""The trials of the last rung: the best of each family, and the Pareto front of score and cost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pipeline.artifacts.rungs import counted_scores
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.statistics.intervals import CONFIDENCE, Estimate


@dataclass(frozen=True)
class Finalist:
    """A trial at the last rung."""

    number: int
    family: str
    role: str
    scores: tuple[float, ...]  # on val, of its seeds
    violation: float = 0.0  # of the constraints
    source: str = ""  # the study that an enqueued configuration comes from

    @property
    def competes(self) -> bool:
        """Return whether it may win: a reference may not."""
        return self.role != "reference"

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def error(self) -> float | None:
        """Return the standard error over seeds; None for one seed."""
        n = len(self.scores)
        return float(np.std(self.scores, ddof=1)) / n**0.5 if n > 1 else None


def finalists(analysis: Analysis) -> list[Finalist]:
    """Return the trials with a score at the last rung, references included, the best first as the search ranks them."""
    table = analysis.search.rungs
    scores = counted_scores(table[table["rung"] == analysis.top]).droplevel("rung")
    trials = analysis.trials
    sources = {n: study for study, numbers in analysis.search.study.enqueued_from.items() for n in numbers}
    rows = zip(trials["number"], analysis.families, trials["role"], trials["violation"], strict=True)
    out = [
        Finalist(
            int(number),
            str(family),
            str(role),
            scores=tuple(scores[number]),
            violation=float(violation),
            source=sources.get(number, ""),
        )
        for number, family, role, violation in rows
        if len(scores.get(number, []))
    ]
    return sorted(out, key=lambda of: (of.violation, -of.mean, of.number))


def best_of_families(every: list[Finalist]) -> list[Finalist]:
    """Return the best finalist of each family, the best first; no references."""
    best = {of.family: of for of in reversed(every) if of.competes}
    return [of for of in every if best.get(of.family) is of]


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
    """Return the standard error of a finalist, the SD between seeds pooled over all; None without repeats."""
    repeated = [of.scores for of in every if len(of.scores) > 1]
    if not repeated:
        return None
    squares = sum(float(np.var(scores)) * len(scores) for scores in repeated)
    variance = squares / sum(len(scores) - 1 for scores in repeated)
    return float(np.sqrt(variance / len(every[0].scores)))


def network_sizes(analysis: Analysis) -> pd.Series:
    """Return the trainable weights of each trial."""
    table = analysis.search.rungs
    return table[table["parameters"].notna()].groupby("number")["parameters"].first()


def pareto(every: list[Finalist], costs: pd.Series) -> list[Finalist]:
    """Return the finalists that no other beats in both score and cost, the cheapest first. costs: by trial.

    Candidates are those that may win: no references, and none that violates the constraints more than the best.
    """
    candidates = [of for of in every if of.competes and of.number in costs]
    least = min((of.violation for of in candidates), default=0.0)
    candidates = [of for of in candidates if of.violation <= least]
    out: list[Finalist] = []
    for of in sorted(candidates, key=lambda of: (costs[of.number], -of.mean)):
        if not out or of.mean > out[-1].mean:
            out.append(of)
    return out
