"""TODO report.summary.page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import NumbersInfo, ReportNumbers, ScreeningNumbers
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.core.files import write_json
from pipeline.core.seeds import derive_seed
from pipeline.core.tables import write_spreadsheet_csv
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count_estimate, p_value, percent, percent_estimate, points_estimate
from pipeline.report.pages import write_page, write_twin
from pipeline.report.summary import figures as figures
from pipeline.report.summary import pairs
from pipeline.statistics import significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES

LEADERBOARD = (
    "name",
    "dataset",
    "accuracy",
    "macro_f1",
    "sd",
    "baseline",
    "difference",
    "best_of_n",
    "n_trials",
    "n_seeds",
)
DRAWS = 2_000  # of the bootstrap of a difference between two experiments


def write_summary(layout: Layout, experiments: list[str]) -> None:
    """Write the page of all experiments, its Markdown twin, and the tables that DVC compares."""
    out = layout.reports()
    reports = {name: ReportNumbers.read(layout.report_numbers(name)) for name in experiments}
    seconds = {name: _seconds(layout, name) for name in experiments}
    rows = [{**_row(name, report.info), "seconds": seconds[name]} for name, report in reports.items()]
    content = {"rows": rows, "pairs": _pairs(reports), "draws": DRAWS}
    write_page(out / "index.html", "summary/page", pictures=_pictures(reports), **content)
    leaderboard = [[row[key] for key in LEADERBOARD] for row in rows]
    screening = [
        [row["name"], "yes" if row["medical"] else "no, illustration", *row["screening"].values()]
        for row in rows
        if row["screening"]
    ]
    write_twin(out / "README.md", "summary/page", leaderboard=leaderboard, screening=screening, **content)
    write_json(out / "metrics.json", {name: report.info.metrics.compared() for name, report in reports.items()})
    table = pd.DataFrame([_flat(name, report.info) for name, report in reports.items()])
    write_spreadsheet_csv(out / "leaderboard.csv", table)


def _seconds(layout: Layout, experiment: str) -> tuple[float, float]:
    """Return the time of training of search and evaluation."""
    search = SearchRuns.read(layout.search_runs(experiment))
    return search.seconds, EvaluationRuns.read(layout.evaluation_runs(experiment)).seconds


def _pairs(reports: Mapping[str, ReportNumbers]) -> dict[str, Any]:
    """Every two experiments on one data set; those whose test parts differ by name only."""
    compared: list[tuple[str, pairs.Pair]] = []
    refused: list[tuple[str, str, str]] = []
    for dataset in dict.fromkeys(report.info.dataset for report in reports.values()):
        tables = {name: report.test for name, report in reports.items() if report.info.dataset == dataset}
        if len(tables) < 2:
            continue
        n_classes = reports[next(iter(tables))].info.n_classes
        rng = np.random.default_rng(derive_seed(0, "pairs", dataset))
        together, apart = pairs.compare(tables, n_classes, DRAWS, rng)
        compared += [(dataset, pair) for pair in together]
        refused += [(dataset, *two) for two in apart]
    adjusted = significance.holm([pair.p for _, pair in compared])
    rows = [
        [
            f"{pair.first} − {pair.second}", dataset, f"{pair.n_images:,} ({pair.n_groups:,})",
            *(points_estimate(pair.difference[score]) for score in pairs.COMPARED), p_value(pair.p), p_value(holm),
        ]
        for (dataset, pair), holm in zip(compared, adjusted.tolist(), strict=True)
    ]  # fmt: skip
    return {"rows": rows, "refused": refused}


def _winner(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.test[score], *info.intervals.test[score])


def _baseline(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.baseline_test[score], *info.intervals.baseline_test[score])


def _row(name: str, info: NumbersInfo) -> dict[str, Any]:
    numbers, sd = info.metrics, info.metrics.test_sd["macro_f1"]
    row = {
        "name": name,
        "dataset": info.dataset,
        "question": info.question,
        "medical": info.medical,
        "n_seeds": numbers.n_seeds,
        "n_trials": sum(numbers.n_trials.values()),
        "accuracy": percent_estimate(_winner(info, "accuracy")),
        "macro_f1": percent_estimate(_winner(info, "macro_f1")),
        "sd": "–" if sd is None else f"{100 * sd:.2f}",
        "baseline": percent_estimate(_baseline(info, "macro_f1")),
        "difference": points_estimate(Estimate(*info.intervals.difference["macro_f1"])),
        "best_of_n": percent(numbers.best_of_n_val),
        "screening": None,
    }
    if s := numbers.screening:
        assert info.intervals.sensitivity
        assert info.intervals.specificity
        row["screening"] = {
            "sensitivity": percent_estimate(Estimate(s.sensitivity, *info.intervals.sensitivity)),
            "specificity": percent_estimate(Estimate(s.specificity, *info.intervals.specificity)),
            "prevalence": s.prevalence_per_100k,
            "false_positives": count_estimate(_expected(s, "false_positives")),
            "false_negatives": count_estimate(_expected(s, "false_negatives")),
            "ppv": percent_estimate(_expected(s, "ppv"), 2),
        }
    return row


def _expected(screening: ScreeningNumbers, name: str) -> Estimate:
    return Estimate(*(getattr(screening, f"{name}{end}") for end in ("", "_low", "_high")))


def _pictures(reports: Mapping[str, ReportNumbers]) -> dict[str, Picture]:
    infos = {name: report.info for name, report in reports.items()}
    rows = [
        (name, _winner(info, "macro_f1"), info.metrics.baseline_test["macro_f1"] or 0.0) for name, info in infos.items()
    ]
    lines = "; ".join(f"{name} {percent(winner.value)}" for name, winner, _ in rows)
    models = {
        name: {
            model: (np.array(info.seeds[model]), estimate(info, "macro_f1"))
            for model, estimate in (("winner", _winner), ("baseline", _baseline))
        }
        for name, info in infos.items()
    }
    return {
        "leaderboard": Picture(
            "leaderboard", png(figures.leaderboard(rows, "macro F1 on the sealed test part")),
            f"Macro F1 of the winner of each experiment: {lines}.",
            "Winner: mean over fresh seeds with 95 % interval (bootstrap over groups). Dot: the baseline's mean. "
            "Only rows of one data set can be compared.",
        ),
        "panels": Picture(
            "panels", png(figures.panels(models, "macro F1 on test")),
            "Winner and baseline of each experiment in a panel of its own: mean, interval and every seed. The numbers "
            "stand in the table below.",
            "Each experiment on its own scale. Diamond and bar: mean over seeds with 95 % interval; dots: every seed.",
        ),
    }  # fmt: skip


def _flat(name: str, info: NumbersInfo) -> dict[str, Any]:
    numbers = info.metrics
    row: dict[str, Any] = {"experiment": name, "dataset": info.dataset, "n_seeds": numbers.n_seeds}
    for score in SCORES:
        low, high = info.intervals.test[score]
        row |= {score: numbers.test[score], f"{score}_low": low, f"{score}_high": high}
        row |= {f"{score}_sd": numbers.test_sd[score], f"baseline_{score}": numbers.baseline_test[score]}
    row |= {f"n_trials_{state}": n for state, n in numbers.n_trials.items()}
    return row | {"best_of_n_val": numbers.best_of_n_val}
