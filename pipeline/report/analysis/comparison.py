"""Winner against baseline, seed by seed: exact McNemar tests over the test groups."""

from typing import NamedTuple

from pipeline.artifacts.evaluation import Evaluation
from pipeline.statistics import significance


class SeedPair(NamedTuple):
    """One retraining of the winner against one of the baseline."""

    winner: int  # seed
    baseline: int  # seed
    only_winner: int  # groups in which the winner alone is right
    only_baseline: int
    p: float
    adjusted: float  # after Holm


class Comparison(NamedTuple):
    """McNemar tests of all pairs of seeds, in their order."""

    pairs: list[SeedPair]
    p: float  # of the typical pair: statistics.significance.median_p


def compare(evaluation: Evaluation) -> Comparison:
    """Test each seed of the winner against the baseline's seed in the same place."""
    part = evaluation.parts["test"]
    right = {model: runs.predicted == part.labels for model, runs in part.models.items()}  # (S, N)
    tests = significance.mcnemar_pairs(right["winner"], right["baseline"], part.groups)
    p_values = [p for *_, p in tests]
    adjusted = significance.holm(p_values)
    winner, baseline = ([run.seed for run in evaluation.runs(model)] for model in ("winner", "baseline"))
    pairs = [SeedPair(winner[i], baseline[i], b, c, p, float(adjusted[i])) for i, (b, c, p) in enumerate(tests)]
    return Comparison(pairs, significance.median_p(p_values))
