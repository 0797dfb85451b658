"""What an evaluation found: predictions of every retrained model on every image, and how the models were retrained."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.predictions import AGAIN, Part, probability_columns, read_part
from pipeline.artifacts.samples import PARTS, DatasetInfo, DataSource
from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv

MODELS = ("winner", "baseline")
FILE_TYPES = dict.fromkeys(("sample", "origin", "official_part", "format", "mode"), "str") | {
    "width": "int64",
    "height": "int64",
}
"""files.csv: origin and published file of each image"""
STEP_TYPES = {"model": "str", "seed": "int64", "step": "int64", "train_loss": "float64"}
"""steps.csv: mean training loss of each slice of a pass; step: its last one"""


class Retrained(JsonPart):
    """One retraining."""

    seed: int
    threshold: float | None  # of the positive score, chosen on val; None without positive classes
    best_epoch: int  # from 1; its weights are kept
    val_score: float  # of the objective, at the best epoch


class RetrainedModel(JsonPart):
    config: Configuration
    parameters: int  # trainable weights
    runs: list[Retrained]


class EvaluationInfo(JsonFile):
    """Contents of metrics.json."""

    experiment: str
    question: str
    study: str
    objective: str
    dataset: DatasetInfo
    models: dict[str, RetrainedModel]  # winner and baseline
    min_sensitivity: float  # that the thresholds keep on val
    sources: list[DataSource]
    seed_share: float | None = None  # of the seeds in the variance of the winner's val score, where it set their number

    @property
    def champion(self) -> Retrained:
        """Return the winner's retraining with the highest score on val; test scores are not used."""
        return max(self.models["winner"].runs, key=lambda run: run.val_score)


@dataclass(frozen=True)
class Evaluation:
    """data/evaluate/<experiment>/: metrics.json, predictions.csv, curves.csv, steps.csv, files.csv."""

    info: EvaluationInfo
    predictions: pd.DataFrame  # PREDICTION_COLUMNS and one column of probability per class, six decimals
    curves: pd.DataFrame  # model, seed, and the columns of Epoch but seconds
    steps: pd.DataFrame  # STEP_TYPES
    files: pd.DataFrame  # FILE_TYPES

    @property
    def dataset(self) -> DatasetInfo:
        return self.info.dataset

    @property
    def classes(self) -> list[str]:
        return self.info.dataset.classes

    @property
    def positive(self) -> list[str]:
        return self.info.dataset.positive

    def runs(self, model: str) -> list[Retrained]:
        """Return the retrainings of a model by seed, the order of the predictions in `parts`."""
        return sorted(self.info.models[model].runs, key=lambda run: run.seed)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Return the predictions by part. Raises DataError if the seeds do not hold the same images."""
        n_seeds = {model: len(self.info.models[model].runs) for model in MODELS}
        return {part: read_part(self.predictions, part, self.dataset, n_seeds) for part in PARTS}

    @cached_property
    def curves_by_step(self) -> pd.DataFrame:
        """Return the curves with `step`, the last one of each epoch.

        Raises DataError if curves and steps are not of the same runs, or an epoch ends within a slice.
        """
        run = ["model", "seed"]
        last = self.steps.groupby(run)["step"].max()
        each = last / self.curves.groupby(run)["epoch"].max()  # steps of an epoch; NaN for a run that one table lacks
        ends = self.curves.join(each.rename("step"), on=run)
        ends["step"] = (ends["step"] * ends["epoch"]).round(6)
        rows = [set(table[[*run, "step"]].itertuples(index=False, name=None)) for table in (ends, self.steps)]
        if each.isna().any() or not rows[0] <= rows[1]:
            reason = "not the same runs, or an epoch ends at no step of the table"
            raise DataError(f"steps.csv does not fit curves.csv; {AGAIN}", [reason])
        return ends.astype({"step": "int64"})

    def write(self, folder: Path) -> None:
        for name in ("predictions", "curves", "steps", "files"):
            write_csv(folder / f"{name}.csv", getattr(self, name))
        self.info.write(folder / "metrics.json")

    @classmethod
    def read(cls, folder: Path) -> "Evaluation":
        """Read what `write` wrote. Raises DataError if a file, column, model or part is missing."""
        info = EvaluationInfo.read(folder / "metrics.json")
        names = dict.fromkeys(("model", "part", "sample", "group"), "category")
        counts = dict.fromkeys(("seed", "label", "predicted"), "int64")
        shares = dict.fromkeys(probability_columns(info.dataset.classes), "float64")
        evaluation = cls(
            info,
            predictions=read_table(folder / "predictions.csv", {**names, **counts, **shares}),
            curves=pd.read_csv(folder / "curves.csv"),
            steps=read_table(folder / "steps.csv", STEP_TYPES),
            files=read_table(folder / "files.csv", FILE_TYPES),
        )
        assert evaluation.parts  # checked on reading
        assert len(evaluation.curves_by_step)
        return evaluation


def read_table(path: Path, types: Mapping[str, str]) -> pd.DataFrame:
    """Read the columns of a CSV file that `types` names. Raises DataError if one is missing or has another type."""
    kinds: Any = dict(types)
    try:
        return pd.read_csv(path, usecols=list(types), dtype=kinds, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is missing or damaged; {AGAIN}", [str(error)]) from None
