"""Winners of several experiments on one test part, compared pair by pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.artifacts.report_numbers import SHARED
from pipeline.report.analysis.scoring import Resampling
from pipeline.statistics import bootstrap, significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import confusion_matrix, scores

COMPARED = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Pair:
    """Two experiments on one test part."""

    first: str
    second: str
    n_images: int
    n_groups: int
    difference: dict[str, Estimate]  # score -> first minus second, means over seeds
    p: float  # exact McNemar over groups, of the typical pair of seeds: statistics.significance.median_p


def compare(
    tables: Mapping[str, pd.DataFrame], n_classes: int, resampling: Resampling
) -> tuple[list[Pair], list[tuple[str, str]]]:
    """Return pairs with one test part, and the names of those with two. tables: ReportNumbers.test by experiment."""
    blocks: list[list[str]] = []
    for name, table in tables.items():
        same = (block for block in blocks if table[SHARED].equals(tables[block[0]][SHARED]))
        block = next(same, [])
        if not block:
            blocks.append(block)
        block.append(name)
    pairs = [pair for block in blocks for pair in _compare_block(block, tables, n_classes, resampling)]
    together = {(pair.first, pair.second) for pair in pairs}
    return pairs, [names for names in combinations(tables, 2) if names not in together]


def _compare_block(
    names: list[str], tables: Mapping[str, pd.DataFrame], n_classes: int, resampling: Resampling
) -> list[Pair]:
    """Return all pairs of the names; all runs share the draws, so every difference is paired."""
    if len(names) < 2:
        return []
    labels, groups = (tables[names[0]][column].to_numpy() for column in ("label", "group"))
    runs = {name: tables[name].drop(columns=SHARED).to_numpy().T for name in names}  # (S, N)
    stacked = np.concatenate(list(runs.values()))
    resampled = scores(
        bootstrap.bootstrap_confusions(labels, stacked, groups, n_classes, resampling.draws, resampling.rng)
    )
    ends = np.cumsum([len(runs[name]) for name in names])[:-1]
    drawn = {
        score: dict(zip(names, [part.mean(axis=1) for part in np.split(resampled[score], ends, axis=1)], strict=True))
        for score in COMPARED
    }
    by_seed = {name: scores(confusion_matrix(labels, runs[name], n_classes)) for name in names}

    def difference(score: str, first: str, second: str) -> Estimate:
        value = float(by_seed[first][score].mean() - by_seed[second][score].mean())
        return Estimate(value, *bootstrap.percentile_interval(drawn[score][first] - drawn[score][second]))

    pairs = []
    for first, second in combinations(names, 2):
        tests = significance.mcnemar_pairs(runs[first] == labels, runs[second] == labels, groups)
        differences = {score: difference(score, first, second) for score in COMPARED}
        p = significance.median_p([p for *_, p in tests])
        pairs.append(Pair(first, second, labels.size, np.unique(groups).size, differences, p))
    return pairs
