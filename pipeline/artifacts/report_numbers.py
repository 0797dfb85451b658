"""The numbers of one report that the summary compares: scores with intervals, and the predictions on test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv

SHARED = ["sample", "group", "label"]
"""equal where two test parts are the same; the other columns of test.csv: predicted class, one per seed"""
Scores = dict[str, float | None]
Ends = tuple[float | None, float | None]  # of an interval; None: that end is open


class ScreeningNumbers(JsonPart):
    """The frozen decision of the winner, carried over to n persons; rates over groups, counts of persons."""

    sensitivity: float
    specificity: float
    false_positives: float | None
    false_positives_low: float | None
    false_positives_high: float | None
    false_negatives: float | None
    false_negatives_low: float | None
    false_negatives_high: float | None
    ppv: float | None
    ppv_low: float | None
    ppv_high: float | None
    npv: float | None
    npv_low: float | None
    npv_high: float | None
    prevalence_per_100k: float
    n_diseased_groups: int
    n_healthy_groups: int


class Metrics(JsonPart):
    """What `dvc metrics` compares. Score -> mean over seeds on the test part, unless a name says otherwise."""

    test: Scores
    test_sd: Scores  # over seeds; None for a single one
    n_seeds: int
    baseline_test: Scores
    best_of_n_val: float | None
    n_trials: dict[str, int]  # state -> trials
    cross_validation: Scores | None = None  # of the winner, every unit predicted once; None without one
    screening: ScreeningNumbers | None = None

    def compared(self) -> dict[str, Any]:
        """Return the plain values for metrics.json; keys of what an experiment does not have are left out."""
        missing = {name for name in ("cross_validation", "screening") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=missing)


class Intervals(JsonPart):
    """95 % intervals of the scores: score -> ends."""

    test: dict[str, Ends]
    baseline_test: dict[str, Ends]
    difference: dict[str, tuple[float | None, float | None, float | None]]  # winner minus baseline: value, low, high
    groups_right: tuple[float | None, float | None, float | None]  # share of groups, winner minus baseline; sign flips
    sign_flip_p: float
    cross_validation: dict[str, Ends] | None = None
    sensitivity: Ends | None = None
    specificity: Ends | None = None


class NumbersInfo(JsonFile):
    """Contents of numbers.json."""

    experiment: str
    dataset: str
    question: str
    verdict: str  # the answer that opens the page
    objective: str
    study: str
    medical: bool
    n_classes: int
    metrics: Metrics
    intervals: Intervals
    seeds: dict[str, list[float]]  # model -> macro F1 on test by seed


@dataclass(frozen=True)
class ReportNumbers:
    """data/report/<experiment>/: numbers.json, test.csv."""

    info: NumbersInfo
    test: pd.DataFrame  # one row per test image: SHARED, then `seed <n>`

    def write(self, folder: Path) -> None:
        self.info.write(folder / "numbers.json")
        write_csv(folder / "test.csv", self.test)

    @classmethod
    def read(cls, folder: Path) -> "ReportNumbers":
        """Read what `write` wrote. Raises DataError if a file is missing or damaged."""
        try:
            test = pd.read_csv(folder / "test.csv", dtype={"sample": str})
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / 'test.csv'} cannot be read; run: {rebuild(folder)}", [str(error)]) from error
        return cls(NumbersInfo.read(folder / "numbers.json"), test)
