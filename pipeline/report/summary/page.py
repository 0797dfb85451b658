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
from pipeline.report.table import Link, Table
from pipeline.statistics import significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES

DRAWS = 2_000  # of the bootstrap of a difference between two experiments
Reports = Mapping[str, ReportNumbers]  # by experiment


def write_summary_page(reports: Reports, seconds: Mapping[str, tuple[float, float]], folder: Path) -> None:
    """Write index.html and its Markdown twin. seconds: training of search and evaluation by experiment."""
    infos = {name: report.info for name, report in reports.items()}
    compared, refused = _pairs(reports)
    write_page(
        folder,
        "summary/page.jinja",
        infos=infos,
        pictures={picture.name: picture for picture in _pictures(infos)},
        leaderboard=_leaderboard(infos),
        seconds=Table(
            "Training time, summed over workers",
            ["experiment", "search", "evaluate"],
            [[name, *(duration(s) for s in of)] for name, of in seconds.items()],
            run=True,
        ),
        pairs=compared,
        refused=refused,
        screening=_screening(infos),
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


def _leaderboard(infos: Mapping[str, NumbersInfo]) -> Table:
    rows: list[list[object]] = []
    for name, info in infos.items():
        numbers, sd = info.metrics, info.metrics.test_sd["macro_f1"]
        rows.append(
            [
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
        )
    return Table(
        "Leaderboard: sealed test part, mean over fresh seeds [95 % interval, bootstrap over groups]",
        [
            "experiment",
            "data set",
            "accuracy",
            "macro F1",
            "SD over seeds, points",
            "baseline, macro F1",
            "winner minus baseline, points",
            "best of N on validation (optimistic)",
            "trials",
            "seeds",
        ],
        rows,
        note="Only rows of one data set can be compared. The best of N is the experiment's own objective on the part "
        "it was chosen on; quote the test score.",
    )


def _screening(infos: Mapping[str, NumbersInfo]) -> Table:
    rows: list[list[object]] = []
    for name, info in infos.items():
        if numbers := info.metrics.screening:
            assert info.intervals.sensitivity
            assert info.intervals.specificity
            rows.append(
                [
                    Link(name, f"{name}/index.html#screening"),
                    "yes" if info.medical else "no, illustration",
                    percent_estimate(Estimate(numbers.sensitivity, *info.intervals.sensitivity)),
                    percent_estimate(Estimate(numbers.specificity, *info.intervals.specificity)),
                    numbers.prevalence_per_100k,
                    count_estimate(_expected(numbers, "false_positives")),
                    count_estimate(_expected(numbers, "false_negatives")),
                    percent_estimate(_expected(numbers, "ppv"), 2),
                ]
            )
    return Table(
        "Expected counts at the stated prevalence, thresholds frozen on validation [95 %, n = groups]",
        [
            "experiment",
            "medical",
            "sensitivity",
            "specificity",
            "prevalence per 100,000",
            "false positives",
            "false negatives",
            "PPV",
        ],
        rows,
    )


def _expected(numbers: ScreeningNumbers, name: str) -> Estimate:
    return Estimate(*(getattr(numbers, f"{name}{end}") for end in ("", "_low", "_high")))


def _winner(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.test[score], *info.intervals.test[score])


def _baseline(info: NumbersInfo, score: str) -> Estimate:
    return Estimate(info.metrics.baseline_test[score], *info.intervals.baseline_test[score])


def _pairs(reports: Reports) -> tuple[Table, list[tuple[str, str, str]]]:
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
    table = Table(
        "Winner of the first minus winner of the second, percentage points: means over seeds on the common test part "
        "[95 %]",
        ["experiments", "data set", "test images (groups)", "accuracy", "macro F1", "exact McNemar", "after Holm"],
        rows,
        note=f"Bootstrap over groups ({DRAWS:,} draws, the same for both). McNemar counts groups; its p joins those of "
        "the pairs of seeds in a way valid under any dependence. Holm: adjusted for all rows. A difference on this "
        "test part is no evidence about other data.",
    )
    return table, refused


def _pictures(infos: Mapping[str, NumbersInfo]) -> list[Picture]:
    rows = [
        (name, _winner(info, "macro_f1"), info.metrics.baseline_test["macro_f1"] or 0.0) for name, info in infos.items()
    ]
    listed = "; ".join(f"{name} {percent(winner.value)}" for name, winner, _ in rows)
    models = {
        name: {
            model: (np.array(info.seeds[model]), estimate(info, "macro_f1"))
            for model, estimate in (("winner", _winner), ("baseline", _baseline))
        }
        for name, info in infos.items()
    }
    return [
        Picture(
            "leaderboard",
            png(figures.leaderboard(rows, "macro F1 on the sealed test part")),
            alt=f"Macro F1 of the winner of each experiment: {listed}.",
            caption="Winner: mean over fresh seeds with 95 % interval (bootstrap over groups). Dot: the baseline's "
            "mean. Only rows of one data set can be compared.",
        ),
        Picture(
            "panels",
            png(figures.panels(models, "macro F1 on test")),
            alt="Winner and baseline of each experiment in a panel of its own: mean, interval and every seed. The "
            "table has the numbers.",
            caption="Each experiment on its own scale. Diamond and bar: mean over seeds with 95 % interval; dots: "
            "every seed.",
        ),
    ]
