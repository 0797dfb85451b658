"""Predictions of a retrained model as a table, and the threshold that val sets."""

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import probability_columns
from pipeline.artifacts.samples import DatasetInfo, Samples
from pipeline.statistics.threshold import choose_threshold


def predictions_table(probabilities: np.ndarray, samples: Samples) -> pd.DataFrame:
    """One row per image. probabilities: (N, K)."""
    table = samples.table[["sample", "group", "part", "label"]].copy()
    table["predicted"] = probabilities.argmax(1)
    probabilities = probabilities.astype(np.float64).round(6)  # as written, so that a threshold means the same later
    columns = probability_columns(samples.info.classes)
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns, index=table.index)], axis=1)


def threshold_on_val(table: pd.DataFrame, info: DatasetInfo, min_sensitivity: float) -> float | None:
    """Chosen on `val`: a positive is called where the summed probability of the positive classes reaches it."""
    if not info.positive:
        return None
    val = table[table["part"] == "val"]
    score = info.positive_score(val[probability_columns(info.classes)].to_numpy())
    return choose_threshold(info.is_positive[val["label"]], score, val["group"], min_sensitivity)
