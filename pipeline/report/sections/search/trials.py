"""The table of trials on the page, and what the scripts need to sort it, to filter it and to draw its lines."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.artifacts.search_result import GIVEN, STATES, SearchResult
from pipeline.report.formatting import cell, percent

FIRST_SCORE = "first_rung_score"  # of trials on rungs: the score that can be compared over all of them


@dataclass(frozen=True)
class Column:
    """A column of the table. kind: of its axis, log, linear, choice or score; empty: no axis."""

    key: str
    kind: str = ""

    @property
    def title(self) -> str:
        return self.key.replace("_", " ")


@dataclass(frozen=True)
class Row:
    """A trial. Scores of one level can be compared; level 0 trained longest."""

    cells: list[tuple[str, float | None]]  # text, and the number where the text rounds it
    level: int
    is_winner: bool


@dataclass(frozen=True)
class TrialsOnPage:
    """Columns and rows in the order of the page."""

    columns: list[Column]
    rows: list[Row]
    on_rungs: bool

    @property
    def has_axes(self) -> bool:
        """Return whether any parameter varied, so that there are lines to draw."""
        return any(column.kind not in ("", "score") for column in self.columns)


def trials_on_page(search: SearchResult) -> TrialsOnPage:
    """Return the trials by level, then by score, the highest first and failed ones last."""
    table, on_rungs = trial_table(search), search.study.fidelity is not None
    level = levels(table, on_rungs)
    place = pd.DataFrame({"failed": table["score"].isna(), "level": level, "score": -table["score"]})
    order = place.sort_values(["failed", "level", "score"], kind="stable").index  # ties: by number
    score = FIRST_SCORE if on_rungs else "score"
    cells = table.astype(object).to_numpy()
    rows = [
        Row([_cell(value) for value in cells[i]], level[i], is_winner=cells[i][0] == search.study.best.number)
        for i in order
    ]
    kinds = {key: _kind(search, table[key]) for key in search.parameters if key in table} | {score: "score"}
    return TrialsOnPage([Column(str(key), kinds.get(str(key), "")) for key in table], rows, on_rungs)


def trial_table(search: SearchResult) -> pd.DataFrame:
    """Return the trials without parameters that have one value in all but the baseline, the reason last."""
    tried = search.trials[search.trials["role"] != "baseline"]
    constant = [name for name in search.parameters if tried[name].nunique(dropna=False) < 2]
    unused = [] if search.study.constraints else ["violation"]
    unused += [] if search.study.fidelity else ["rung", "share", "steps"]
    unused += [] if search.study.fidelity or search.study.enqueued_from else ["drawn"]
    shown = search.trials.drop(columns=["slot", *unused, *constant])
    if search.study.fidelity:
        first = search.at_first_rung().trials.set_index("number")["score"]
        shown.insert(list(shown).index("score") + 1, FIRST_SCORE, shown["number"].map(first))
    return shown[[*(name for name in shown if name != "reason"), "reason"]]


def given_rows(search: SearchResult) -> list[list[Any]]:
    """Return the best score with and without configurations that people chose, or another study; empty without them.

    Also empty for a search with rungs, whose section of answers compares them at the last one.
    """
    trials = search.trials[search.trials["state"] == "complete"]
    is_given = trials["role"].isin(GIVEN)
    if search.study.fidelity or not is_given.any():
        return []
    members = {"all trials": trials}
    for study, numbers in search.study.enqueued_from.items():
        members[f"without those of {study}"] = trials[~trials["number"].isin(numbers)]
    members["without reference and enqueued"] = trials[~is_given]
    members["sampled alone"] = trials[trials["role"] == "search"]
    rows = []
    for label, of in members.items():
        best = of.nlargest(1, "score")
        shown = [best["number"].item(), percent(best["score"].item())] if len(of) else ["none", "–"]
        rows.append([label, len(of), *shown])
    return rows


def levels(trials: pd.DataFrame, on_rungs: bool) -> list[int]:
    """Return the level of each trial: by rung and share of the steps, without rungs by state."""
    if on_rungs:
        reached = list(zip(-trials["rung"], -trials["share"], strict=True))
    else:
        reached = [(STATES.index(state), 0.0) for state in trials["state"]]
    places = {place: level for level, place in enumerate(sorted(set(reached)))}
    return [places[place] for place in reached]


def _cell(value: object) -> tuple[str, float | None]:
    text = cell(value)
    is_rounded = isinstance(value, float) and text != "" and float(text) != value
    return text, float(value) if is_rounded else None  # type: ignore[arg-type]


def _kind(search: SearchResult, values: pd.Series) -> str:
    """Return how the axis of a parameter is drawn: as the space samples it, numbers outside the space as numbers."""
    entries = [entry for entry in search.study.space if entry.key == values.name]
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not is_number or any(entry.choices for entry in entries):
        return "choice"
    return "log" if any(entry.log for entry in entries) else "linear"
