"""TODO artifacts.search_result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.core.errors import DataError
from pipeline.core.files import read_json


@dataclass(frozen=True)
class SearchResult:
    study: dict[str, Any]
    trials: pd.DataFrame
    parameters: list[str]  # columns of `trials` after the fixed ones

    def draws(self, *states: str) -> pd.DataFrame:
        """Trials of the sampler that ended so: without the baseline and its variations."""
        return self.trials[(self.trials["role"] == "search") & self.trials["state"].isin(states)]

    def varied(self) -> list[str]:
        """Parameters of the space that took more than one value in the draws that did not fail."""
        drawn = self.draws("complete", "pruned")
        return [
            leaf["key"] for leaf in self.study["space"] if leaf["key"] in drawn and drawn[leaf["key"]].nunique() > 1
        ]


TRIAL_COLUMNS = ["number", "state", "score", "seconds", "epochs", "run_id", "role"]
STUDY_KEYS = ["space", "variations", "importances"]  # that an older version did not write


def read_search(folder: Path) -> SearchResult:
    """Raises DataError if a column or a key is missing."""
    trials = pd.read_csv(folder / "trials.csv", dtype={"run_id": str})
    missing = [name for name in TRIAL_COLUMNS if name not in trials]
    if missing:
        raise DataError(f"{folder / 'trials.csv'} lacks columns; run the search again", missing)
    parameters = [name for name in trials.columns if name not in TRIAL_COLUMNS]
    study = read_json(folder / "study.json")
    if lacking := [key for key in STUDY_KEYS if key not in study]:
        raise DataError(f"{folder / 'study.json'} lacks keys; run the search again", lacking)
    return SearchResult(study, trials.sort_values("number", ignore_index=True), parameters)
