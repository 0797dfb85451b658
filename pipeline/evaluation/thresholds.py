"""Predictions of the retrained models on every image, and the thresholds that follow from those on val."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.artifacts.predictions import PREDICTION_COLUMNS, prediction_table, probability_columns
from pipeline.artifacts.samples import DatasetInfo, Samples
from pipeline.core.progress import track
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.statistics.roc import choose_threshold
from pipeline.training.prediction import load_trained, predict
from pipeline.training.process import keep_freed_memory


def predict_all(retrained: Sequence[FinishedRetraining], parts: Sequence[Samples]) -> pd.DataFrame:
    """Return one row per retraining and image, with PREDICTION_COLUMNS and one probability per class."""
    keep_freed_memory()
    tables = []
    for finished in track(retrained, "predict", unit="models"):
        description, plan = finished.result.description, finished.plan
        network = load_trained(description, plan.weights)
        for samples in parts:
            table = prediction_table(predict(network, description, samples.images), samples)
            tables.append(table.assign(model=plan.model, seed=plan.seed))
    return pd.concat(tables)[[*PREDICTION_COLUMNS, *probability_columns(parts[0].info.classes)]]


@dataclass(frozen=True)
class Thresholds:
    """An image counts as positive where the summed probability of the positive classes reaches the threshold."""

    min_sensitivity: float
    """that each threshold keeps on val"""
    of_run: dict[tuple[str, int], float | None]
    """by model and seed; None without positive classes"""


def choose_thresholds(predictions: pd.DataFrame, info: DatasetInfo, min_sensitivity: float) -> Thresholds:
    """Return the threshold of each model and seed, chosen on val."""
    on_val = predictions[predictions["part"] == "val"]
    of_run: dict[Any, float | None] = {
        run: _threshold(rows, info, min_sensitivity) if info.positive else None
        for run, rows in on_val.groupby(["model", "seed"])
    }
    return Thresholds(min_sensitivity, of_run)


def _threshold(on_val: pd.DataFrame, info: DatasetInfo, min_sensitivity: float) -> float:
    score = info.positive_score(on_val[probability_columns(info.classes)].to_numpy())
    return choose_threshold(info.is_positive[on_val["label"]], score, on_val["group"], min_sensitivity)
