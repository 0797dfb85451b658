"""TODO artifacts.explanations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import AGAIN, Evaluation, read_table
from pipeline.core.errors import DataError
from pipeline.core.files import read_json


@dataclass(frozen=True)
class Explanations:
    """Of one retraining of the winner; the contract of `pipeline.inside`."""

    info: dict[str, Any]  # inside.json
    examples: pd.DataFrame
    images: NDArray[np.uint8]  # (N, H, W, C), those of the examples
    cams: NDArray[np.float32] | None  # (N, H, W), 0 to 1
    kernels: NDArray[np.float32] | None  # (F, C, h, w)
    maps: NDArray[np.float32] | None  # (F, scans, h, w)
    layers: pd.DataFrame
    shortcut: pd.DataFrame


def read_explanations(folder: Path, evaluation: Evaluation) -> Explanations:
    """folder: of the evaluation. Raises DataError if files are missing or damaged, or belong to another evaluation."""
    inside = folder / "inside"
    classes = {"label": "int64", "predicted": "int64"}
    shares = dict.fromkeys((f"p_{name}" for name in evaluation.classes), "float64")
    example = {"kind": "str", "scan": "bool", "sample": "str", **classes, "n_wrong": "int64", **shares}
    layer = {**dict.fromkeys(("name", "kind", "output", "formula_px"), "str"), "parameters": "int64"}
    try:
        info = read_json(inside / "inside.json")
        arrays = {name: np.load(inside / f"{name}.npy", allow_pickle=False) for name in info["arrays"]}
        found = Explanations(
            info=info,
            examples=read_table(inside / "examples.csv", example),
            images=arrays["images"],
            cams=arrays.get("cams"),
            kernels=arrays.get("kernels"),
            maps=arrays.get("maps"),
            layers=read_table(inside / "layers.csv", layer),
            shortcut=read_table(inside / "shortcut.csv", {"sample": "str", "group": "str", **classes}),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{inside} is incomplete or damaged; {AGAIN}", [str(error)]) from None
    n, seeds = evaluation.parts["test"].labels.size, [run["seed"] for run in evaluation.runs("winner")]
    if len(found.shortcut) != n or len(found.images) != len(found.examples) or info["seed"] not in seeds:
        reason = f"{len(found.shortcut)} rows for {n} test images, {len(found.images)} images, seed {info['seed']}"
        raise DataError(f"{inside} does not fit the predictions; {AGAIN}", [reason])
    return found
