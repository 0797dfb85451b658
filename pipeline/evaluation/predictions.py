"""TODO evaluation.predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.samples import Samples
from pipeline.core.tables import write_csv
from pipeline.statistics.threshold import choose_threshold

FILE_COLUMNS = ("sample", "official_part", "format", "mode", "width", "height")  # of files.csv


def predictions_table(probabilities: np.ndarray, samples: Samples) -> pd.DataFrame:
    """One row per image. probabilities: (N, K)."""
    table = samples.table[["sample", "group", "part", "label"]].copy()
    table["predicted"] = probabilities.argmax(1)
    probabilities = probabilities.astype(np.float64).round(6)  # as written, so that a threshold means the same later
    columns = [f"p_{name}" for name in samples.info["classes"]]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns, index=table.index)], axis=1)


def threshold_on_val(table: pd.DataFrame, info: dict[str, Any], min_sensitivity: float) -> float | None:
    """Chosen on `val`: a positive is called where the summed probability of the positive classes reaches it."""
    if not info["positive"]:
        return None
    val = table[table["part"] == "val"]
    score = val[[f"p_{name}" for name in info["positive"]]].sum(axis=1).to_numpy()
    positive = val["label"].isin([info["classes"].index(name) for name in info["positive"]]).to_numpy()
    return float(choose_threshold(positive, score, val["group"], min_sensitivity))


def write_predictions(path: Path, table: pd.DataFrame, classes: list[str]) -> None:
    columns = ["model", "seed", "sample", "group", "part", "label", "predicted", *(f"p_{name}" for name in classes)]
    write_csv(path, table[columns])
