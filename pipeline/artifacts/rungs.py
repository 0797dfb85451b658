"""Trainings of a multi-fidelity search: each configuration at each rung that it reached, under each seed."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv

RUNG_COLUMNS = {
    "number": "of the trial",
    "rung": "0 for the shortest training",
    "share": "of the configuration's steps",
    "steps": "that were planned at this rung",
    "repeat": "index of the seed, 0 first",
    "parameters": "trainable weights; empty where training failed or diverged",
    "score": "on val at the end of the rung; empty where training failed or diverged",
    "reason": "of a failure",
}
FILE = "rungs.csv"


def no_rungs() -> pd.DataFrame:
    """Return the table of a search without rungs."""
    return pd.DataFrame(columns=list(RUNG_COLUMNS))


def counted(scores: Iterable[float | None]) -> list[float]:
    """Return the scores of a configuration's seeds at a rung as they count: a failed one as 0; none if all failed."""
    of_seeds = list(scores)
    return [] if all(score is None for score in of_seeds) else [score or 0.0 for score in of_seeds]


def counted_scores(rungs: pd.DataFrame) -> pd.Series:
    """Return the `counted` scores of the seeds, a list, by number and rung."""
    known = rungs["score"].astype(object).where(rungs["score"].notna(), None)
    return known.groupby([rungs["number"], rungs["rung"]]).agg(counted)


def mean_scores(rungs: pd.DataFrame, rung: int) -> pd.Series:
    """Return the mean of the `counted` scores at a rung by number; NaN where every seed failed."""
    scores = counted_scores(rungs[rungs["rung"] == rung]).droplevel("rung")
    return scores.map(lambda each: sum(each) / len(each) if each else None).astype(float)


def write_rungs(folder: Path, rungs: pd.DataFrame) -> None:
    """Write rungs.csv; without a row, remove the file of an earlier search."""
    if len(rungs):
        write_csv(folder / FILE, rungs[list(RUNG_COLUMNS)])
    else:
        (folder / FILE).unlink(missing_ok=True)


def read_rungs(folder: Path) -> pd.DataFrame:
    """Return RUNG_COLUMNS by number, rung and repeat; no row where the file is missing. Raises DataError if damaged."""
    path = folder / FILE
    if not path.exists():
        return no_rungs()
    try:
        rungs = pd.read_csv(path, dtype={"reason": str}).fillna({"reason": ""})
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the table cannot be read; run the search again", [str(error)]) from error
    if missing := [name for name in RUNG_COLUMNS if name not in rungs]:
        raise DataError(f"{path} lacks columns; run the search again", missing)
    rungs["score"] = rungs["score"].astype(float)  # empty in every row: no number to infer the type from
    return rungs.sort_values(["number", "rung", "repeat"], ignore_index=True)
