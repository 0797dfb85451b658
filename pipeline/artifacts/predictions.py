"""predictions.csv: what every retrained model predicts of every image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import DatasetInfo, Samples
from pipeline.core.errors import DataError

AGAIN = "run evaluate again"
PREDICTION_COLUMNS = {
    "model": "winner or baseline",
    "seed": "of the retraining",
    "sample": "id of the image",
    "group": "id of its group",
    "part": "train, val or test",
    "label": "index of the true class",
    "predicted": "index of the most probable class",
}  # then the columns of probability_columns


def probability_columns(classes: list[str]) -> list[str]:
    """Return the names of the columns that hold the probability of each class."""
    return [f"p_{name}" for name in classes]


def prediction_table(probabilities: NDArray[Any], samples: Samples) -> pd.DataFrame:
    """Return one row per image. probabilities: (N, K)."""
    table = samples.table[["sample", "group", "part", "label"]].copy()
    table["predicted"] = probabilities.argmax(1)
    rounded = probabilities.astype(np.float64).round(6)  # as written, so that a threshold means the same later
    columns = probability_columns(samples.info.classes)
    return pd.concat([table, pd.DataFrame(rounded, columns=columns, index=table.index)], axis=1)


@dataclass(frozen=True)
class Runs:
    """One model, retrained under S seeds, on the N images of one part."""

    predicted: NDArray[np.int64]  # (S, N)
    probabilities: NDArray[np.float64]  # (S, N, K)
    positive_score: NDArray[np.float64]  # (S, N), summed over the positive classes; 0 without any


@dataclass(frozen=True)
class Part:
    """Labels and predictions of one part."""

    samples: NDArray[np.str_]  # (N,) ids
    labels: NDArray[np.int64]  # (N,)
    groups: NDArray[np.int64]  # (N,) number of the group
    positive: NDArray[np.bool_]  # (N,) label is a positive class
    models: dict[str, Runs]


def read_part(predictions: pd.DataFrame, part: str, info: DatasetInfo, n_seeds: Mapping[str, int]) -> Part:
    """Return the predictions on one part as arrays. n_seeds: by model.

    Raises DataError unless the part holds the same images under every seed of every model.
    """
    table = predictions[predictions["part"] == part]
    table = table.iloc[np.lexsort((table["sample"].cat.codes, table["seed"]))]
    models: dict[str, Runs] = {}
    first: pd.DataFrame | None = None  # rows of one run, whose images all others share
    for model, n_runs in n_seeds.items():
        rows = table[table["model"] == model]
        if rows.empty or len(rows) % n_runs:
            reason = f"{model}, {part}: {len(rows)} rows, {n_runs} seeds"
            raise DataError(f"predictions are incomplete; {AGAIN}", [reason])
        n = len(rows) // n_runs
        first = rows.head(n) if first is None else first
        samples = rows["sample"].cat.codes.to_numpy().reshape(n_runs, n)
        if n != len(first) or (samples != first["sample"].cat.codes.to_numpy()).any():
            reason = f"{model}, {part}: not the same images under every seed and model"
            raise DataError(f"predictions do not fit together; {AGAIN}", [reason])
        probabilities = rows[probability_columns(info.classes)].to_numpy()  # (S * N, K)
        models[model] = Runs(
            rows["predicted"].to_numpy().reshape(n_runs, n),
            probabilities.reshape(n_runs, n, -1),
            info.positive_score(probabilities).reshape(n_runs, n),
        )
    assert first is not None
    labels = first["label"].to_numpy(dtype=np.int64)
    groups = np.asarray(first["group"].cat.codes, dtype=np.int64)
    return Part(first["sample"].to_numpy(dtype=np.str_), labels, groups, info.is_positive[labels], models)


def stack_runs(table: pd.DataFrame, seeds: Sequence[int], columns: Sequence[str]) -> tuple[Any, ...]:
    """Return the rows of the first seed, then each column as (S, N); images in sorted order.

    Raises DataError unless every seed has the same images, each once.
    """
    blocks = [table[table["seed"] == seed].sort_values("sample", ignore_index=True) for seed in seeds]
    if not blocks or any(not block["sample"].equals(blocks[0]["sample"]) for block in blocks):
        raise DataError(f"predictions do not fit together; {AGAIN}", ["not the same images under every seed"])
    if blocks[0]["sample"].duplicated().any():
        raise DataError(f"predictions do not fit together; {AGAIN}", ["an image is predicted twice by a model"])
    return blocks[0], *(np.stack([block[column].to_numpy() for block in blocks]) for column in columns)
