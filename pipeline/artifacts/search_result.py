"""What a search found: every trial with its state and score, the learning curves and the winner; its settings."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline.artifacts.configuration import Configuration, SpaceEntry
from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.registration import Registration
from pipeline.artifacts.rungs import mean_scores, no_rungs, read_rungs, write_rungs
from pipeline.artifacts.samples import DataSource
from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv
from pipeline.core.yaml_document import Scalar, read_yaml, write_yaml

STATES = ("complete", "pruned", "failed")
GIVEN = ("reference", "enqueued")  # roles of configurations that people chose, or another study
TRIAL_COLUMNS = {
    "number": "of the trial; one trained again after a worker's death has a new number",
    "slot": "place in the search: 0 is the baseline, then one_at_a_time, then the sampler's draws",
    "state": "complete, pruned or failed",
    "score": "best of its epochs on val; empty where no epoch ended",
    "epochs": "that were trained",
    "role": "baseline, one_at_a_time, reference, enqueued or search",
    "violation": "of the constraints, 0 where all are kept",
    "rung": "highest that it reached, 0 first",
    "share": "of the configuration's steps that it was trained for there",
    "steps": "that it was trained for there; empty where training was not cut",
    "drawn": "who chose the configuration: given, the study that it comes from, design, or the name of the sampler",
    "reason": "of a failure",
}  # then one column per parameter


class TrialScore(JsonPart):
    number: int
    score: float | None  # best of its epochs on val; None where training failed


class VariedTrial(JsonPart):
    """A trial that differs from the baseline in one parameter."""

    number: int
    key: str
    value: Scalar
    baseline: Scalar | None  # the baseline's own value; None where it leaves the default


class StudyInfo(JsonFile):
    """Contents of study.json."""

    study: str  # name: <experiment>@<hash>, equal for equal searches
    experiment: str
    question: str
    registration: Registration | None = None
    dataset: str
    objective: str  # accuracy or macro_f1 on val
    seed: int
    sampler: dict[str, Any]  # name and settings
    pruner: dict[str, Any]
    space: list[SpaceEntry]
    constraints: dict[str, dict[str, float]]  # column of the curves -> at_least, at_most
    n_trials: dict[str, int]  # state -> trials
    best: TrialScore
    baseline: TrialScore
    variations: list[VariedTrial]
    enqueued_from: dict[str, list[int]] = Field({})  # study -> trials whose configurations come from it
    fidelity: dict[str, Any] | None = None  # stratify, schedule, rungs: share, best, seeds; None: all trained whole
    importances: dict[str, float] | None  # share of the score's variance by fANOVA; None where the trials do not tell
    hashes: dict[str, str]  # what the study is named by: space, data, code, versions, device, threads
    sources: list[DataSource]
    threads: int

    @property
    def n_seeds(self) -> list[int]:
        """Return the number of trainings of a configuration at each rung; none without fidelity."""
        return [rung["seeds"] for rung in self.fidelity["rungs"]] if self.fidelity else []


@dataclass(frozen=True)
class SearchResult:
    """data/search/<experiment>/: trials.csv, curves.csv, best.yaml, study.json; rungs.csv where there are rungs."""

    study: StudyInfo
    trials: pd.DataFrame  # TRIAL_COLUMNS and one column per parameter, by number
    curves: pd.DataFrame  # number, and the columns of Epoch but seconds
    winner: Configuration
    baseline: Configuration
    rungs: pd.DataFrame = field(default_factory=no_rungs)  # RUNG_COLUMNS; empty without fidelity

    @cached_property
    def parameters(self) -> list[str]:
        """Columns of `trials` that are parameters."""
        return [name for name in self.trials.columns if name not in TRIAL_COLUMNS]

    def draws(self, *states: str) -> pd.DataFrame:
        """Return the sampler's trials in these states: neither the baseline nor its variations."""
        return self.trials[(self.trials["role"] == "search") & self.trials["state"].isin(states)]

    def at_first_rung(self) -> "SearchResult":
        """Return the trials on rungs by their score at the first, which all have; the search itself without rungs."""
        if self.rungs.empty:
            return self
        scores = mean_scores(self.rungs, 0)
        trials = self.trials[self.trials["number"].isin(scores.index)].copy()
        trials["score"] = trials["number"].map(scores)
        trials["state"] = trials["score"].notna().map({True: "complete", False: "failed"})
        return replace(self, trials=trials)

    def varied(self) -> list[str]:
        """Return the parameters of the space with more than one value in the draws that did not fail."""
        drawn = self.draws("complete", "pruned")
        keys = [entry.key for entry in self.study.space]
        return [key for key in keys if key in drawn and drawn[key].nunique() > 1]

    def write(self, folder: Path) -> None:
        write_csv(folder / "trials.csv", self.trials)
        write_csv(folder / "curves.csv", self.curves)
        write_yaml(folder / "best.yaml", {"winner": self.winner, "baseline": self.baseline})
        write_rungs(folder, self.rungs)
        self.study.write(folder / "study.json")

    @classmethod
    def read(cls, folder: Path) -> "SearchResult":
        """Read what `write` wrote. Raises DataError if a file, column or key is missing."""
        study = StudyInfo.read(folder / "study.json")
        try:
            trials = pd.read_csv(folder / "trials.csv", dtype={"reason": str}).fillna({"reason": ""})
            curves = pd.read_csv(folder / "curves.csv")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: a table cannot be read; run the search again", [str(error)]) from error
        if missing := [name for name in TRIAL_COLUMNS if name not in trials]:
            raise DataError(f"{folder / 'trials.csv'} lacks columns; run the search again", missing)
        configurations = read_yaml(folder / "best.yaml").check()
        if missing := [name for name in ("winner", "baseline") if name not in configurations]:
            raise DataError(f"{folder / 'best.yaml'} lacks keys; run the search again", missing)
        trials = trials.sort_values("number", ignore_index=True)
        winner, baseline = configurations["winner"], configurations["baseline"]
        return cls(study, trials, curves, winner, baseline, rungs=read_rungs(folder))


def parameter_texts(folder: Path) -> dict[int, Configuration]:
    """Return the parameters of each trial by number, as the text of trials.csv: an int is not read as a float."""
    rows = pd.read_csv(folder / "trials.csv", dtype=str, keep_default_na=False).to_dict("records")
    keys = [key for key in rows[0] if key not in TRIAL_COLUMNS]
    return {int(row["number"]): {str(key): row[key] for key in keys if row[key]} for row in rows}
