"""What cross-validation predicts of every image, with models that saw none of its group."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import read_table
from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.predictions import AGAIN, Part, Runs, probability_columns, stack_runs
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.errors import DataError
from pipeline.core.files import writing
from pipeline.core.tables import write_csv
from pipeline.statistics.confident_learning import LabelDoubts, doubt_labels
from pipeline.statistics.units import unit_weights

GROUP, COPIES = "group", "copies"
"""what no fold divides: columns of samples.csv"""
FOLD_TYPES = {
    "by": "str",
    "fold": "int64",
    "model": "str",
    "seed": "int64",
    "sample": "str",
    "group": "str",
    "label": "int64",
    "predicted": "int64",
}
"""predictions.csv: GROUP or COPIES; number of the fold that holds the image out, from 1; the others as in the
evaluation; then one probability per class, six decimals"""


class FoldRun(JsonPart):
    """One training of a fold."""

    by: str
    fold: int
    model: str  # winner or baseline
    seed: int
    best_epoch: int
    val_score: float
    threshold: float | None  # of the positive score, chosen on the val part of the fold; None without positive classes
    temperature: float | None  # fitted there; None where it holds no error
    n_images: int  # held out
    n_seen: int  # of these, images whose group was in train or val: 0 unless `by` is COPIES


class FoldsInfo(JsonFile):
    """Contents of folds.json."""

    dataset: DatasetInfo
    runs: list[FoldRun]


@dataclass(frozen=True)
class FoldPart:
    """The out-of-fold predictions of one model by one partition."""

    model: str
    part: Part  # of all images; its runs are repeats: the same folds, other seeds
    folds: NDArray[np.int64]  # (N,), from 1
    repeats: list[list[FoldRun]]  # in the order of the folds

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return the most probable class, (R, N)."""
        return self.part.models[self.model].predicted

    @property
    def called(self) -> NDArray[np.bool_]:
        """Return whether each image is called positive at the threshold of its fold and repeat, (R, N)."""
        thresholds = np.array([[run.threshold for run in runs] for runs in self.repeats], dtype=float)  # (R, folds)
        return np.asarray(self.part.models[self.model].positive_score >= thresholds[:, self.folds - 1])

    @property
    def temperatures(self) -> NDArray[np.float64]:
        """Return the temperature that each image's fold and repeat fitted on val, (R, N); 1 without one."""
        fitted = [[1.0 if run.temperature is None else run.temperature for run in runs] for runs in self.repeats]
        return np.array(fitted)[:, self.folds - 1]

    @property
    def doubts(self) -> LabelDoubts:
        """Return what the mean probabilities of the repeats suggest about the labels."""
        mean = self.part.models[self.model].probabilities.mean(axis=0)
        return doubt_labels(self.part.labels, mean, unit_weights(self.part.labels, self.part.groups))


@dataclass(frozen=True)
class CrossValidation:
    """data/evaluate/<experiment>/folds/: folds.json, predictions.csv, in_doubt.npy."""

    info: FoldsInfo
    predictions: pd.DataFrame  # FOLD_TYPES, then one probability per class; no rows without a cross-validation
    in_doubt: NDArray[np.uint8]  # (n, H, W, C): the images whose labels are most in doubt, in this order

    @property
    def partitions(self) -> list[str]:
        """Return GROUP, and COPIES where it is another partition; empty without a cross-validation."""
        return list(dict.fromkeys(run.by for run in self.info.runs))

    def of(self, by: str, model: str) -> FoldPart:
        """Return the predictions of one model by one partition.

        Raises DataError unless every repeat predicts the same images once.
        """
        dataset = self.info.dataset
        runs = [run for run in self.info.runs if (run.by, run.model) == (by, model)]
        seeds = list(dict.fromkeys(run.seed for run in runs))
        table = self.predictions[(self.predictions["by"] == by) & (self.predictions["model"] == model)]
        first, predicted, *shares = stack_runs(table, seeds, ["predicted", *probability_columns(dataset.classes)])
        labels, probabilities = first["label"].to_numpy(np.int64), np.stack(shares, axis=-1)
        groups = np.unique(first["group"], return_inverse=True)[1].astype(np.int64)
        of_runs = Runs(predicted, probabilities, dataset.positive_score(probabilities))
        part = Part(
            first["sample"].to_numpy(dtype=np.str_), labels, groups, dataset.is_positive[labels], {model: of_runs}
        )
        repeats = [sorted((r for r in runs if r.seed == seed), key=lambda run: run.fold) for seed in seeds]
        return FoldPart(model, part, first["fold"].to_numpy(np.int64), repeats)

    def write(self, folder: Path) -> None:
        write_csv(folder / "predictions.csv", self.predictions)
        with writing(folder / "in_doubt.npy") as part, part.open("wb") as f:
            np.save(f, np.ascontiguousarray(self.in_doubt), allow_pickle=False)
        self.info.write(folder / "folds.json")

    @classmethod
    def read(cls, folder: Path) -> "CrossValidation":
        """Read what `write` wrote. Raises DataError if a file or column is missing or damaged."""
        info = FoldsInfo.read(folder / "folds.json")
        shares = dict.fromkeys(probability_columns(info.dataset.classes), "float64")
        try:
            in_doubt = np.load(folder / "in_doubt.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder} is incomplete or damaged; {AGAIN}", [str(error)]) from None
        return cls(info, read_table(folder / "predictions.csv", {**FOLD_TYPES, **shares}), in_doubt)
