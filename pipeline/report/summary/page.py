"""The page of all experiments: leaderboard, winners on one data set compared, and screening estimates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.report_numbers import NumbersInfo, ReportNumbers, ScreeningNumbers
from pipeline.core.seeds import derive_seed
from pipeline.report.analysis.scoring import Resampling
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count_estimate, duration, p_value, percent, percent_estimate, points_estimate
from pipeline.report.pages import write_page
from pipeline.report.summary import figures, pairs
from pipeline.report.table import Link
from pipeline.statistics import significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES

DRAWS = 2_000  # of the bootstrap of a difference between two experiments
Reports = Mapping[str, ReportNumbers]  # by experiment


def write_summary_page(reports: Reports, seconds: Mapping[str, tuple[float, float]], folder: Path) -> None:
    """Write index.html and its Markdown twin. seconds: training of search and evaluation by experiment."""
    infos = {name: report.info for name, report in reports.items()}
    compared, refused = _pairs(reports)
    rows = [
        (name, _winner(info, "macro_f1"), info.metrics.baseline_test["macro_f1"] or 0.0) for name, info in infos.items()
    ]
    models = {
        name: {
            model: (np.array(info.seeds[model]), mean(info, "macro_f1"))
            for model, mean in (("winner", _winner), ("baseline", _baseline))
        }
        for name, info in infos.items()
    }
    write_page(
        folder,
        "summary/page.jinja",
        infos=infos,
        leaderboard_picture=Picture("leaderboard", png(figures.leaderboard(rows, "macro F1 on the sealed test part"))),
        panels=Picture("panels", png(figures.panels(models, "macro F1 on test"))),
        winners="; ".join(f"{name} {percent(winner.value)}" for name, winner, _ in rows),
        leaderboard=[_leaderboard_row(name, info) for name, info in infos.items()],
        seconds=[[name, *(duration(s) for s in of)] for name, of in seconds.items()],
        pairs=compared,
        draws=f"{DRAWS:,}",
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


def _leaderboard_row(name: str, info: NumbersInfo) -> list[object]:
    numbers, sd = info.metrics, info.metrics.test_sd["macro_f1"]
    return [
        Link(name, f"{name}/index.html"),
        Link(info.dataset, "/".join(("data", info.dataset, "index.html"))),
        percent_estimate(_winner(info, "accuracy")),
        percent_estimate(_winner(info, "macro_f1")),
        "–" if sd is None else f"{100 * sd:.2f}",
        percent_estimate(_baseline(info, "macro_f1")),
        points_estimate(Estimate(*info.intervals.difference["macro_f1"])),
        percent(numbers.best_of_n_val),
        sum(numbers.n_trials.values()),
        numbers.n_seeds,
    ]


def _screening_row(name: str, info: NumbersInfo) -> list[object]:
    numbers, intervals = info.metrics.screening, info.intervals
    assert numbers
    assert intervals.sensitivity
    assert intervals.specificity
    return [
        Link(name, f"{name}/index.html#screening"),
        "yes" if info.medical else "no, illustration",
        percent_estimate(Estimate(numbers.sensitivity, *intervals.sensitivity)),
        percent_estimate(Estimate(numbers.specificity, *intervals.specificity)),
        numbers.prevalence_per_100k,
        count_estimate(_expected(numbers, "false_positives")),
        count_estimate(_expected(numbers, "false_negatives")),
        percent_estimate(_expected(numbers, "ppv"), 2),
    ]


def _expected(numbers: ScreeningNumbers, name: str) -> Estimate:
    return Estimate(*(getattr(numbers, f"{name}{end}") for end in ("", "_low", "_high")))


def _winner(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.test[score], *info.intervals.test[score])


def _baseline(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.baseline_test[score], *info.intervals.baseline_test[score])


def _pairs(reports: Reports) -> tuple[list[list[str]], list[tuple[str, str, str]]]:
    """Compare every two experiments on one data set; return data set and names of those whose test parts differ."""
    compared: list[tuple[str, pairs.Pair]] = []
    refused: list[tuple[str, str, str]] = []
    for dataset in dict.fromkeys(report.info.dataset for report in reports.values()):
        of_dataset = {name: report for name, report in reports.items() if report.info.dataset == dataset}
        if len(of_dataset) < 2:
            continue
        n_classes = next(iter(of_dataset.values())).info.n_classes
        tables = {name: report.test for name, report in of_dataset.items()}
        rng = np.random.default_rng(derive_seed(0, "pairs", dataset))
        together, apart = pairs.compare(tables, n_classes, Resampling(DRAWS, rng))
        compared += [(dataset, pair) for pair in together]
        refused += [(dataset, *names) for names in apart]
    adjusted = significance.holm([pair.p for _, pair in compared]).tolist()
    rows = [
        [
            f"{pair.first} − {pair.second}",
            dataset,
            f"{pair.n_images:,} ({pair.n_groups:,})",
            *(points_estimate(pair.difference[score]) for score in pairs.COMPARED),
            p_value(pair.p),
            p_value(holm),
        ]
        for (dataset, pair), holm in zip(compared, adjusted, strict=True)
    ]
    return rows, refused
