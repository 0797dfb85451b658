"""robustness.csv: what the retrained winner predicts of test images under mild corruptions."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation, read_table
from pipeline.artifacts.predictions import AGAIN, stack_runs
from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv

ROBUSTNESS_COLUMNS = {
    "corruption": "what was done to the image, with its strength",
    "seed": "of the retraining of the winner",
    "sample": "id of the image in the test part",
    "predicted": "index of the most probable class",
    "positive_score": "summed probability of the positive classes, six decimals; 0 without any",
}
TYPES = dict(zip(ROBUSTNESS_COLUMNS, ("category", "int64", "category", "int64", "float64"), strict=True))


class Corrupted(NamedTuple):
    """The winner under one corruption. Images of every corruption are the same."""

    predicted: NDArray[np.int64]  # (S, n)
    positive_score: NDArray[np.float64]  # (S, n)


@dataclass(frozen=True)
class Robustness:
    """robustness.csv of the folder data/evaluate/<experiment>/."""

    table: pd.DataFrame  # ROBUSTNESS_COLUMNS

    def write(self, folder: Path) -> None:
        write_csv(folder / "robustness.csv", self.table)

    @classmethod
    def read(cls, folder: Path, evaluation: Evaluation) -> "Robustness":
        """Read what `write` wrote. Raises DataError if it is missing, damaged or of another evaluation."""
        robustness = cls(read_table(folder / "robustness.csv", TYPES))
        table, seeds = robustness.table, {run.seed for run in evaluation.runs("winner")}
        samples = set(table["sample"])
        n = len(samples) * len(seeds) * table["corruption"].nunique()
        is_known = samples <= set(evaluation.parts["test"].samples) and set(table["seed"]) == seeds
        is_whole = len(table) == n and not table.duplicated(["corruption", "seed", "sample"]).any()
        if not (is_known and is_whole and table["predicted"].between(0, len(evaluation.classes) - 1).all()):
            raise DataError(
                f"{folder / 'robustness.csv'} does not fit the predictions; {AGAIN}", [f"{len(table)} rows"]
            )
        return robustness

    def rows(self, samples: NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the rows of the images in the test part, (n,). samples: (N,) ids of the test part in sorted order."""
        return np.flatnonzero(np.isin(samples, self.table["sample"].unique().tolist()))

    def runs(self) -> dict[str, Corrupted]:
        """Return the predictions by corruption, seeds and images in the order of `Evaluation.parts`."""
        columns, seeds = ("predicted", "positive_score"), sorted(self.table["seed"].unique())
        by_name = self.table.groupby("corruption", observed=True, sort=False)
        return {str(name): Corrupted(*stack_runs(rows, seeds, columns)[1:]) for name, rows in by_name}
