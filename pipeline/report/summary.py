"""The page of all experiments: leaderboard, winners on one data set compared pair by pair, and screening estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.report_numbers import SHARED, NumbersInfo, ReportNumbers
from pipeline.core.seeds import derive_seed
from pipeline.report.analysis.scoring import score_sample
from pipeline.report.drawing import BLUE, MODEL_COLORS, ORANGE, Picture, canvas, percents, png, short, styled
from pipeline.report.formatting import (
    count_estimate,
    duration,
    p_value,
    percent,
    percent_estimate,
    points,
    points_estimate,
)
from pipeline.report.pages import Link, write_page
from pipeline.statistics import significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import jackknife_difference
from pipeline.statistics.scores import SCORES
from pipeline.statistics.significance import SignFlip

COMPARED = ("accuracy", "macro_f1")
Reports = Mapping[str, ReportNumbers]  # by experiment


def write_summary_page(
    reports: Reports, seconds: Mapping[str, tuple[float, float]], missing: Sequence[str], folder: Path
) -> None:
    """Write index.html and its Markdown twin.

    seconds: training of search and evaluation by experiment. missing: experiments without a report.
    """
    infos = {name: report.info for name, report in reports.items()}
    compared, refused = _pair_rows(reports)
    write_page(
        folder,
        "summary.jinja",
        infos=infos,
        missing=missing,
        overlap=(folder / "data" / "README.md").exists(),
        leaderboard_picture=Picture("leaderboard", png(draw_leaderboard(infos))),
        panels=Picture("panels", png(draw_panels(infos))),
        winners="; ".join(f"{name} {percent(info.metrics.test['macro_f1'])}" for name, info in infos.items()),
        leaderboard=[_leaderboard_row(name, info) for name, info in infos.items()],
        seconds=[[name, *map(duration, of)] for name, of in seconds.items()],
        pairs=compared,
        refused=refused,
        screening=[_screening_row(name, info) for name, info in infos.items() if info.metrics.screening],
    )


def leaderboard_csv(reports: Reports) -> pd.DataFrame:
    """Return one row of plain numbers per experiment, for `dvc plots`."""
    rows = []
    for name, report in reports.items():
        info, numbers = report.info, report.info.metrics
        row: dict[str, Any] = {"experiment": name, "dataset": info.dataset, "n_seeds": numbers.n_seeds}
        for score in SCORES:
            low, high = info.intervals.test[score]
            row |= {score: numbers.test[score], f"{score}_low": low, f"{score}_high": high}
            row |= {f"{score}_sd": numbers.test_sd[score], f"baseline_{score}": numbers.baseline_test[score]}
        row |= {f"n_trials_{state}": n for state, n in numbers.n_trials.items()}
        rows.append(row | {"best_of_n_val": numbers.best_of_n_val})
    return pd.DataFrame(rows)


def _mean(info: NumbersInfo, model: str, score: str = "macro_f1") -> Estimate:
    if model == "winner":
        return Estimate(info.metrics.test[score], *info.intervals.test[score])
    return Estimate(info.metrics.baseline_test[score], *info.intervals.baseline_test[score])


def _new_data(info: NumbersInfo) -> str:
    values, ends = info.metrics.cross_validation, info.intervals.cross_validation
    return percent_estimate(Estimate(values["macro_f1"], *ends["macro_f1"])) if values and ends else "–"


def _leaderboard_row(name: str, info: NumbersInfo) -> list[object]:
    return [
        Link(name, f"{name}/index.html"),
        Link(info.dataset, "/".join(("data", info.dataset, "index.html"))),
        percent_estimate(_mean(info, "winner", "accuracy")),
        percent_estimate(_mean(info, "winner")),
        _new_data(info),
        points(info.metrics.test_sd["macro_f1"]),
        percent_estimate(_mean(info, "baseline")),
        points_estimate(Estimate(*info.intervals.difference["macro_f1"])),
        percent(info.metrics.best_of_n_val),
        sum(info.metrics.n_trials.values()),
        info.metrics.n_seeds,
    ]


def _screening_row(name: str, info: NumbersInfo) -> list[object]:
    numbers, intervals = info.metrics.screening, info.intervals
    assert numbers
    assert intervals.sensitivity
    assert intervals.specificity
    expected = {
        of: Estimate(*(getattr(numbers, f"{of}{end}") for end in ("", "_low", "_high")))
        for of in ("false_positives", "false_negatives", "ppv")
    }
    return [
        Link(name, f"{name}/index.html#screening"),
        "yes" if info.medical else "no, illustration",
        percent_estimate(Estimate(numbers.sensitivity, *intervals.sensitivity)),
        percent_estimate(Estimate(numbers.specificity, *intervals.specificity)),
        numbers.prevalence_per_100k,
        count_estimate(expected["false_positives"]),
        count_estimate(expected["false_negatives"]),
        percent_estimate(expected["ppv"], 2),
    ]


@dataclass(frozen=True)
class Pair:
    """Two experiments on one test part."""

    first: str
    second: str
    n_images: int
    n_groups: int
    difference: dict[str, Estimate]  # score -> first minus second, means over seeds
    test: SignFlip  # of the share of groups that are right


def _pair_rows(reports: Reports) -> tuple[list[list[str]], list[tuple[str, str, str]]]:
    """Compare every two experiments on one data set; return data set and names of those whose test parts differ."""
    compared: list[tuple[str, Pair]] = []
    refused: list[tuple[str, str, str]] = []
    for dataset in dict.fromkeys(report.info.dataset for report in reports.values()):
        of_dataset = {name: report for name, report in reports.items() if report.info.dataset == dataset}
        n_classes = next(iter(of_dataset.values())).info.n_classes
        rng = np.random.default_rng(derive_seed(0, "pairs", dataset))
        together, apart = compare_pairs({name: of.test for name, of in of_dataset.items()}, n_classes, rng)
        compared += [(dataset, pair) for pair in together]
        refused += [(dataset, *names) for names in apart]
    adjusted = significance.holm([pair.test.p for _, pair in compared]).tolist()
    rows = [
        [
            f"{pair.first} − {pair.second}",
            dataset,
            f"{pair.n_images:,} ({pair.n_groups:,})",
            *(points_estimate(pair.difference[score]) for score in COMPARED),
            points_estimate(pair.test.difference),
            p_value(pair.test.p),
            p_value(holm),
        ]
        for (dataset, pair), holm in zip(compared, adjusted, strict=True)
    ]
    return rows, refused


def compare_pairs(
    tables: Mapping[str, pd.DataFrame], n_classes: int, rng: np.random.Generator
) -> tuple[list[Pair], list[tuple[str, str]]]:
    """Return pairs with one test part, and the names of those with two. tables: ReportNumbers.test by experiment."""
    blocks: dict[str, list[str]] = {}  # by the text of what must be equal
    for name, table in tables.items():
        blocks.setdefault(table[SHARED].to_csv(), []).append(name)
    pairs = [pair for names in blocks.values() for pair in _compare_block(names, tables, n_classes, rng)]
    together = {(pair.first, pair.second) for pair in pairs}
    return pairs, [names for names in combinations(tables, 2) if names not in together]


def _compare_block(
    names: list[str], tables: Mapping[str, pd.DataFrame], n_classes: int, rng: np.random.Generator
) -> list[Pair]:
    """Return all pairs of the names, whose groups are paired."""
    labels, groups = (tables[names[0]][column].to_numpy() for column in ("label", "group"))
    runs = {name: tables[name].drop(columns=SHARED).to_numpy().T for name in names}  # (S, N) each
    of = {name: score_sample(labels, predicted, groups, n_classes) for name, predicted in runs.items()}
    pairs = []
    for first, second in combinations(names, 2):
        difference = {
            score: jackknife_difference(of[first].scored(score), of[second].scored(score), of[first].strata)
            for score in COMPARED
        }
        leads = significance.unit_differences(runs[first] == labels, runs[second] == labels, groups)
        test = significance.sign_flip(leads, significance.SIGN_FLIPS, rng)
        pairs.append(Pair(first, second, labels.size, np.unique(groups).size, difference, test))
    return pairs


def _ends(of: Estimate) -> list[float | None]:
    return [of.value if end is None else end for end in (of.low, of.high)]


@styled
def draw_leaderboard(infos: Mapping[str, NumbersInfo]) -> Figure:
    """Draw a line per experiment: winner with its interval, mean of the baseline."""
    figure, axes = canvas(0.45 * len(infos) + 1.25)
    axis = axes[0, 0]
    for y, info in enumerate(infos.values()):
        winner, baseline = (_mean(info, model) for model in MODELS)
        axis.plot(_ends(winner), [y, y], "|-", color=BLUE, lw=1.6, ms=13, mew=1.6)
        axis.plot(winner.value, y, "D", color=BLUE, ms=5, label="winner" if y == 0 else None)
        axis.plot(baseline.value, y, "o", color=ORANGE, ms=5.5, label="baseline" if y == 0 else None)
    axis.set_yticks(range(len(infos)), [short(name, 28) for name in infos])
    axis.set(xlabel="macro F1 on the test part", ylim=(len(infos) - 0.5, -0.5))
    axis.xaxis.set_major_formatter(percents)
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


@styled
def draw_panels(infos: Mapping[str, NumbersInfo]) -> Figure:
    """Draw a panel per experiment, each with its own scale: seeds and their mean of each model."""
    columns = min(3, len(infos))
    rows = -(-len(infos) // columns)
    figure, axes = canvas(2.35 * rows + 0.35, rows, columns)
    for axis, (name, info) in zip(axes.flat, infos.items(), strict=False):
        for x, model in enumerate(MODELS):
            mean, seeds, color = _mean(info, model), info.seeds[model], MODEL_COLORS[model]
            axis.plot([x, x], _ends(mean), color=color, lw=2.4, solid_capstyle="butt")
            axis.plot(x, mean.value, "D", color=color, ms=6, mec="white")
            axis.plot([x + 0.18] * len(seeds), seeds, "o", color=color, ms=3.5, alpha=0.6)
        axis.set_xticks(range(len(MODELS)), MODELS, fontsize=9)
        axis.set_xlim(-0.6, len(MODELS) - 0.4)
        axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.yaxis.set_major_formatter(percents)
        axis.set_title(short(name, 20), fontsize=10)
        axis.grid(axis="x", visible=False)
    for axis in axes.flat[len(infos) :]:
        axis.axis("off")
    figure.supylabel("macro F1 on test", fontsize=10)
    return figure
