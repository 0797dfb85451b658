"""What `search` and `evaluate` left behind, read once, checked, and shaped for statistics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import PARTS
from pipeline.core.errors import DataError
from pipeline.core.files import read_json

MODELS = ("winner", "baseline")
AGAIN = "run evaluate again"
FILE_TYPES = dict.fromkeys(("sample", "official_part", "format", "mode"), "str") | {"width": "int64", "height": "int64"}
STEP_TYPES = {"model": "str", "seed": "int64", "step": "int64", "train_loss": "float64"}


@dataclass(frozen=True)
class Runs:
    """One model, retrained under S seeds, on the N images of one part."""

    predicted: NDArray[np.int64]  # (S, N)
    probabilities: NDArray[np.float64]  # (S, N, K)
    positive_score: NDArray[np.float64]  # (S, N), summed over the positive classes; 0 without any


@dataclass(frozen=True)
class Part:
    samples: NDArray[np.str_]  # (N,) ids
    labels: NDArray[np.int64]  # (N,)
    groups: NDArray[np.int64]  # (N,) number of the group
    positive: NDArray[np.bool_]  # (N,) label is a positive class
    models: dict[str, Runs]


@dataclass(frozen=True)
class Evaluation:
    info: dict[str, Any]  # metrics.json
    curves: pd.DataFrame  # one row per epoch of each run; `step` is its last one
    steps: pd.DataFrame  # model, seed, last step of a slice of a pass, mean train_loss of the slice
    files: pd.DataFrame  # what is known of the file of each sample: official_part, format, mode, width, height
    parts: dict[str, Part]
    classes: list[str]
    positive: list[str]

    @property
    def dataset(self) -> dict[str, Any]:
        info: dict[str, Any] = self.info["dataset"]
        return info

    def runs(self, model: str) -> list[dict[str, Any]]:
        """Seeds in the order of the predictions."""
        return sorted(self.info["models"][model]["runs"], key=lambda run: run["seed"])


def read_evaluation(folder: Path) -> Evaluation:
    """Raises DataError if the seeds of a model do not hold the same images, or a model or part is missing."""
    info = read_json(folder / "metrics.json")
    classes, positive = list(info["dataset"]["classes"]), list(info["dataset"]["positive"])
    table = _read_predictions(folder / "predictions.csv", classes)
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy()  # (rows, K)
    is_positive = np.isin(classes, positive)
    columns = {
        "label": table["label"].to_numpy(dtype=np.int64),
        "predicted": table["predicted"].to_numpy(dtype=np.int64),
        "group": table["group"].cat.codes.to_numpy(dtype=np.int64),
        "sample": table["sample"].cat.codes.to_numpy(dtype=np.int64),
        "probabilities": probabilities,
        "score": probabilities[:, is_positive].sum(axis=1),
    }
    parts = {}
    for part in PARTS:
        rows = {m: np.flatnonzero(((table["part"] == part) & (table["model"] == m)).to_numpy()) for m in MODELS}
        models: dict[str, Runs] = {}
        shared: dict[str, NDArray[Any]] = {}
        for model, index in rows.items():
            n_runs = len(info["models"][model]["runs"])
            if not index.size or index.size % n_runs:
                reason = f"{model}, {part}: {index.size} rows for {n_runs} seeds"
                raise DataError(f"{folder / 'predictions.csv'} is incomplete; {AGAIN}", [reason])
            stack = {name: v[index].reshape(n_runs, -1, *v.shape[1:]) for name, v in columns.items()}
            samples = shared.setdefault("sample", stack["sample"][0])
            if stack["sample"].shape[1] != samples.size or (stack["sample"] != samples).any():
                reason = f"{model}, {part}: not the same images under every seed and model"
                raise DataError(f"{folder / 'predictions.csv'} does not fit together; {AGAIN}", [reason])
            shared |= {"label": stack["label"][0], "group": stack["group"][0]}
            models[model] = Runs(stack["predicted"], stack["probabilities"], stack["score"])
        names = table["sample"].cat.categories.to_numpy(dtype=np.str_)[shared["sample"]]
        parts[part] = Part(names, shared["label"], shared["group"], is_positive[shared["label"]], models)
    curves, steps = _read_learning(folder)
    return Evaluation(info, curves, steps, read_table(folder / "files.csv", FILE_TYPES), parts, classes, positive)


def read_table(path: Path, types: dict[str, str]) -> pd.DataFrame:
    """The columns of a CSV file that `types` names. Raises DataError if one is missing or no such."""
    try:
        return pd.read_csv(path, usecols=list(types), dtype=types, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is missing or damaged; {AGAIN}", [str(error)]) from None


def _read_learning(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and steps. Raises DataError if they are not of the same runs, or an epoch ends within a slice."""
    curves, steps = pd.read_csv(folder / "curves.csv"), read_table(folder / "steps.csv", STEP_TYPES)
    run = ["model", "seed"]
    each = steps.groupby(run)["step"].max() / curves.groupby(run)["epoch"].max()  # NaN for a run that one lacks
    ends = curves.join(each.rename("step"), on=run)
    ends["step"] = (ends["step"] * ends["epoch"]).round(6)
    rows = [set(table[[*run, "step"]].itertuples(index=False, name=None)) for table in (ends, steps)]
    if each.isna().any() or not rows[0] <= rows[1]:
        reason = "not the same runs, or a pass that ends at no step of the table"
        raise DataError(f"{folder / 'steps.csv'} does not fit curves.csv; {AGAIN}", [reason])
    return ends.astype({"step": "int64"}), steps


def _read_predictions(path: Path, classes: list[str]) -> pd.DataFrame:
    """Rows sorted by seed, then sample."""
    names = dict.fromkeys(("model", "part", "sample", "group"), "category")
    counts = dict.fromkeys(("seed", "label", "predicted"), "int64")
    shares = dict.fromkeys((f"p_{name}" for name in classes), "float64")
    table = read_table(path, {**names, **counts, **shares})
    order = np.lexsort((table["sample"].cat.codes, table["seed"]))
    return table.iloc[order]
