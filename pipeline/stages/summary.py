"""All experiments side by side: the leaderboard, and the metrics that `dvc metrics` compares."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.estimates import Estimate
from pipeline.figures import Picture, png
from pipeline.figures import performance as figures
from pipeline.files import read_json, write_json, writing
from pipeline.metrics import SCORES
from pipeline.pages import count_estimate, percent, percent_estimate, points_estimate, write_page
from pipeline.tables import plain_csv

BESIDE = ("intervals", "about")  # what the per-experiment file holds besides the compared numbers


def run(experiments: list[str], numbers: Path, out: Path) -> None:
    """numbers: folder of `<experiment>/numbers.json`; out: folder of the experiments' pages."""
    found: dict[str, dict[str, Any]] = {name: read_json(numbers / name / "numbers.json") for name in experiments}
    rows = [{"name": name, "link": f"{name}/index.html", **_row(numbers)} for name, numbers in found.items()]
    write_page(out / "index.html", "summary", rows=rows, pictures=_pictures(found))
    compared = {name: {k: v for k, v in numbers.items() if k not in BESIDE} for name, numbers in found.items()}
    write_json(out / "metrics.json", compared)
    table = pd.DataFrame([_flat(name, numbers) for name, numbers in found.items()])
    with writing(out / "leaderboard.csv") as part:
        plain_csv(table, part)


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
    return {
        "leaderboard": Picture(
            "leaderboard", png(figures.leaderboard(rows, "macro F1 on the sealed test part")),
            f"Macro F1 of the winner of each experiment: {lines}.",
            "Winner: mean over fresh seeds with 95 % interval (bootstrap over groups). Dot: the baseline's mean. "
            "Rows stand beside each other, not against each other: the data sets differ.",
        )
    }  # fmt: skip


def _flat(name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"experiment": name, "dataset": numbers["about"]["dataset"], "n_seeds": numbers["n_seeds"]}
    for score in SCORES:
        low, high = numbers["intervals"]["test"][score]
        row |= {score: numbers["test"][score], f"{score}_low": low, f"{score}_high": high}
        row |= {f"{score}_sd": numbers["test_sd"][score], f"baseline_{score}": numbers["baseline_test"][score]}
    row |= {f"n_trials_{state}": n for state, n in numbers["n_trials"].items()}
    return row | {"best_of_n_val": numbers["best_of_n_val"]}
