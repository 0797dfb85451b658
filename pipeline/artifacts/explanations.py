"""What explains the champion: examples with Grad-CAM, first kernels and layers, and the file and border baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation, read_table
from pipeline.artifacts.json_file import JsonFile
from pipeline.artifacts.predictions import AGAIN, probability_columns
from pipeline.core.errors import DataError
from pipeline.core.files import writing
from pipeline.core.tables import write_csv

ARRAYS = ("images", "cams", "kernels", "maps")
LAYER_TYPES = {**dict.fromkeys(("name", "kind", "output", "formula_px"), "str"), "parameters": "int64"}
"""layers.csv: one row per layer; empty where `problem` says why"""


class ExplanationsInfo(JsonFile):
    """Contents of explanations.json."""

    seed: int  # of the retraining that is explained: the best on val, which is the champion
    first: str | None  # name of the first layer with weights, if it is a convolution or sees all pixels
    learned: bool | None  # its weights were trained
    n_kernels: int | None
    cam: str | None  # layer of the Grad-CAM; None where no layer keeps an image
    cam_px: list[int] | None  # height and width of its output
    varied: list[str]  # features of the file and border baseline that vary in train
    problem: str | None  # why the layers cannot be listed
    arrays: tuple[str, ...] = ()  # those of ARRAYS that the folder holds; set on writing


@dataclass(frozen=True)
class Explanations:
    """The folder data/evaluate/<experiment>/explanations/."""

    info: ExplanationsInfo
    examples: pd.DataFrame
    """kind (error, hit), scan (feature maps are kept), sample, group, label, predicted, n_wrong, p_<class>"""
    images: NDArray[np.uint8]  # (N, H, W, C), those of the examples
    cams: NDArray[np.float32] | None  # (N, H, W), 0 to 1
    kernels: NDArray[np.float32] | None  # (F, C, h, w), the largest of the first layer
    maps: NDArray[np.float32] | None  # (F, scans, h, w), responses of these kernels to the scans; of convolutions only
    layers: pd.DataFrame  # LAYER_TYPES
    metadata_baseline: pd.DataFrame
    """sample, group, label, predicted, p_<class> of a classifier that sees properties of the file and the border only;
    predicted_by_file: of one that sees no pixel"""

    def write(self, folder: Path) -> None:
        for name in ("examples", "layers", "metadata_baseline"):
            write_csv(folder / f"{name}.csv", getattr(self, name))
        held = tuple(name for name in ARRAYS if getattr(self, name) is not None)
        for name in ARRAYS:
            (folder / f"{name}.npy").unlink(missing_ok=True)
        for name in held:
            with writing(folder / f"{name}.npy") as part, part.open("wb") as f:
                np.save(f, np.ascontiguousarray(getattr(self, name)), allow_pickle=False)
        self.info.model_copy(update={"arrays": held}).write(folder / "explanations.json")

    @classmethod
    def read(cls, folder: Path, evaluation: Evaluation) -> "Explanations":
        """Read what `write` wrote.

        Raises DataError if files are missing or damaged, or belong to another evaluation.
        """
        classes = {"label": "int64", "predicted": "int64"}
        shares = dict.fromkeys(probability_columns(evaluation.classes), "float64")
        example = {"kind": "str", "scan": "bool", "sample": "str", **classes, "n_wrong": "int64", **shares}
        shown = {"sample": "str", "group": "str", **classes, "predicted_by_file": "int64"}
        info = ExplanationsInfo.read(folder / "explanations.json")
        try:
            arrays: dict[str, Any] = dict.fromkeys(ARRAYS)
            for name in info.arrays:
                arrays[name] = np.load(folder / f"{name}.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder} is incomplete or damaged; {AGAIN}", [str(error)]) from None
        explanations = cls(
            info,
            examples=read_table(folder / "examples.csv", example),
            **arrays,
            layers=read_table(folder / "layers.csv", LAYER_TYPES),
            metadata_baseline=read_table(folder / "metadata_baseline.csv", shown),
        )
        n, seeds = evaluation.parts["test"].labels.size, [run.seed for run in evaluation.runs("winner")]
        rows, n_images = len(explanations.metadata_baseline), 0 if arrays["images"] is None else len(arrays["images"])
        if rows != n or n_images != len(explanations.examples) or info.seed not in seeds:
            reason = f"{rows} rows for {n} test images, {n_images} images, seed {info.seed}"
            raise DataError(f"{folder} does not fit the predictions; {AGAIN}", [reason])
        return explanations
