"""TODO report.summary.page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts import report_numbers
from pipeline.core.files import read_json, write_json
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

BESIDE = ("intervals", "seeds", "about")  # what the per-experiment file holds besides the compared numbers
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


def write_summary(experiments: list[str], numbers: Path, out: Path) -> None:
    """numbers: folder of `<experiment>/{numbers.json,test.csv}`; out: folder of the experiments' pages."""
    found: dict[str, dict[str, Any]] = {name: read_json(numbers / name / "numbers.json") for name in experiments}
    rows = [{"name": name, **_row(numbers)} for name, numbers in found.items()]
    content = {"rows": rows, "pairs": _pairs(found, numbers), "draws": DRAWS}
    write_page(out / "index.html", "summary/page", pictures=_pictures(found), **content)
    leaderboard = [[row[key] for key in LEADERBOARD] for row in rows]
    screening = [
        [row["name"], "yes" if row["medical"] else "no, illustration", *row["screening"].values()]
        for row in rows
        if row["screening"]
    ]
    write_twin(out / "README.md", "summary/page", leaderboard=leaderboard, screening=screening, **content)
    compared = {name: {k: v for k, v in numbers.items() if k not in BESIDE} for name, numbers in found.items()}
    write_json(out / "metrics.json", compared)
    table = pd.DataFrame([_flat(name, numbers) for name, numbers in found.items()])
    write_spreadsheet_csv(out / "leaderboard.csv", table)


def _pairs(found: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Every two experiments on one data set; those whose test parts differ by name only."""
    found_pairs: list[tuple[str, pairs.Pair]] = []
    refused: list[tuple[str, str, str]] = []
    for dataset in dict.fromkeys(numbers["about"]["dataset"] for numbers in found.values()):
        names = [name for name, numbers in found.items() if numbers["about"]["dataset"] == dataset]
        if len(names) < 2:
            continue
        tables = {name: report_numbers.read_test_predictions(folder / name / "test.csv") for name in names}
        rng = np.random.default_rng(derive_seed(0, "pairs", dataset))
        together, apart = pairs.compare(tables, found[names[0]]["about"]["n_classes"], DRAWS, rng)
        found_pairs += [(dataset, pair) for pair in together]
        refused += [(dataset, *two) for two in apart]
    adjusted = significance.holm([pair.p for _, pair in found_pairs])
    rows = [
        [
            f"{pair.first} − {pair.second}", dataset, f"{pair.n_images:,} ({pair.n_groups:,})",
            *(points_estimate(pair.difference[score]) for score in pairs.COMPARED), p_value(pair.p), p_value(holm),
        ]
        for (dataset, pair), holm in zip(found_pairs, adjusted.tolist(), strict=True)
    ]  # fmt: skip
    return {"rows": rows, "refused": refused}


def _estimate(numbers: dict[str, Any], model: str, score: str) -> Estimate:
    return Estimate(numbers[model][score], *numbers["intervals"][model][score])


def _row(numbers: dict[str, Any]) -> dict[str, Any]:
    value, low, high = numbers["intervals"]["difference"]["macro_f1"]
    row = {
        **numbers["about"],
        "n_seeds": numbers["n_seeds"],
        "n_trials": sum(numbers["n_trials"].values()),
        "accuracy": percent_estimate(_estimate(numbers, "test", "accuracy")),
        "macro_f1": percent_estimate(_estimate(numbers, "test", "macro_f1")),
        "sd": "–" if numbers["test_sd"]["macro_f1"] is None else f"{100 * numbers['test_sd']['macro_f1']:.2f}",
        "baseline": percent_estimate(_estimate(numbers, "baseline_test", "macro_f1")),
        "difference": points_estimate(Estimate(value, low, high)),
        "best_of_n": percent(numbers["best_of_n_val"]),
        "seconds": numbers["seconds"],
        "screening": None,
    }
    if "screening" in numbers:
        s = numbers["screening"]
        row["screening"] = {
            "sensitivity": percent_estimate(Estimate(s["sensitivity"], *numbers["intervals"]["sensitivity"])),
            "specificity": percent_estimate(Estimate(s["specificity"], *numbers["intervals"]["specificity"])),
            "prevalence": s["prevalence_per_100k"],
            "false_positives": count_estimate(_ends(s, "false_positives")),
            "false_negatives": count_estimate(_ends(s, "false_negatives")),
            "ppv": percent_estimate(_ends(s, "ppv"), 2),
        }
    return row


def _ends(screening: dict[str, Any], name: str) -> Estimate:
    return Estimate(screening[name], screening[f"{name}_low"], screening[f"{name}_high"])


def _pictures(found: dict[str, dict[str, Any]]) -> dict[str, Picture]:
    rows = [(name, _estimate(n, "test", "macro_f1"), n["baseline_test"]["macro_f1"]) for name, n in found.items()]
    lines = "; ".join(f"{name} {percent(winner.value)}" for name, winner, _ in rows)
    models = {
        name: {
            model: (np.array(n["seeds"]["macro_f1"][model]), _estimate(n, key, "macro_f1"))
            for model, key in (("winner", "test"), ("baseline", "baseline_test"))
        }
        for name, n in found.items()
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


def _flat(name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"experiment": name, "dataset": numbers["about"]["dataset"], "n_seeds": numbers["n_seeds"]}
    for score in SCORES:
        low, high = numbers["intervals"]["test"][score]
        row |= {score: numbers["test"][score], f"{score}_low": low, f"{score}_high": high}
        row |= {f"{score}_sd": numbers["test_sd"][score], f"baseline_{score}": numbers["baseline_test"][score]}
    row |= {f"n_trials_{state}": n for state, n in numbers["n_trials"].items()}
    return row | {"best_of_n_val": numbers["best_of_n_val"]}
