"""What differs each time a stage runs: run ids, dates, seconds, commit and hardware. Only pages and `publish` read it.

Kept apart from the results, so that equal results are equal files.
"""

from dataclasses import fields
from typing import Any

import pandas as pd

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.json_file import JsonFile, JsonPart


class GitState(JsonPart):
    commit: str  # hash, or "unknown" outside a repository
    dirty: bool  # tracked files differ from the commit


class Origin(JsonPart):
    """Where and with what a result was made."""

    git: GitState
    versions: dict[str, str]  # package -> version
    hardware: dict[str, str | int | None]  # cpu, cores, memory_gib, gpu


class Version(JsonPart):
    """A commit."""

    commit: str  # hash
    date: str  # YYYY-MM-DD


class Ledger(JsonPart):
    """How often published versions of the project, commits with new scores in reports/, have scored a test part.

    A version counts if its test part was drawn with the same split seed. Where groups have changed since, its part held
    other images in part, and counts all the same. An official test part is the same in every version.
    """

    split_seed: int | None  # None: the official test part
    earlier: list[Version]  # that scored this test part, oldest first
    n_parts: int  # test parts that published versions have scored so far, one per seed


class TrainingRun(JsonPart):
    """One training as it ran."""

    run_id: str  # of MLflow; empty where MLflow could not be reached
    started_ms: int  # since 1970
    epoch_seconds: list[float]  # duration of each epoch

    @property
    def seconds(self) -> float:
        return sum(self.epoch_seconds)

    def epochs(self, curves: pd.DataFrame) -> list[Epoch]:
        """Return the epochs of this training from its rows of curves.csv."""
        columns = [field.name for field in fields(Epoch) if field.name != "seconds"]
        values: Any = curves[columns].astype(object).where(curves[columns].notna(), None).to_dict("records")
        return [Epoch(**row, seconds=s) for row, s in zip(values, self.epoch_seconds, strict=True)]


class TrialRun(TrainingRun):
    number: int
    ended_ms: int  # when its result was stored, since 1970


class SearchRuns(JsonFile):
    """Contents of data/runs/search/<experiment>.json."""

    study: str  # full name: that of StudyInfo, numbered where a search was started with --fresh
    origin: Origin
    experiment_id: str  # of MLflow
    run_id: str  # of the study in MLflow
    trials: list[TrialRun]

    @property
    def seconds(self) -> float:  # of training
        return sum(run.seconds for run in self.trials)


class RetrainingRun(TrainingRun):
    model: str  # winner or baseline
    seed: int


class EvaluationRuns(JsonFile):
    """Contents of data/runs/evaluate/<experiment>.json."""

    origin: Origin
    retrainings: list[RetrainingRun]
    fold_seconds: float = 0  # of training, for the cross-validation
    ledger: Ledger | None = None  # None where the history of the repository is not known whole
    registered: Version | None = None  # first to hold the registration as it is; None without one, or if not committed

    @property
    def seconds(self) -> float:  # of training
        return sum(run.seconds for run in self.retrainings) + self.fold_seconds

    def of(self, model: str, seed: int) -> RetrainingRun:
        return next(run for run in self.retrainings if (run.model, run.seed) == (model, seed))
