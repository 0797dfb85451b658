"""What the search cost: its trainings, those that failed, and the lowest error so far over the seconds of training."""

import numpy as np
import pandas as pd

from pipeline.artifacts.runs import SearchRuns
from pipeline.core.errors import DataError
from pipeline.report.formatting import duration, percent
from pipeline.report.pages import Table
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.best import finalists
from pipeline.report.sections.answers.texts import rung_text
from pipeline.statistics.effects import log_errors

IN_FULL = -1  # rung of a trial that was trained once, in full: the baseline and one_at_a_time
NO_FAMILY = "baseline and variations"


def trainings(analysis: Analysis) -> pd.DataFrame:
    """Return number, rung, repeat, score, reason, family and role of every training, in the order of the search.

    A rung is trained after the one before it; trials that are trained in full, before the draws of the first.
    """
    search = analysis.search
    whole = search.trials[~search.trials["number"].isin(analysis.trials["number"])]
    whole = whole.assign(rung=IN_FULL, repeat=0)[["number", "rung", "repeat", "score", "reason"]]
    table = pd.concat([whole.astype({"score": float}), search.rungs[list(whole)]], ignore_index=True)
    families = dict(zip(analysis.trials["number"], analysis.families, strict=True))
    table["family"] = [families.get(number, NO_FAMILY) for number in table["number"]]
    table["role"] = table["number"].map(search.trials.set_index("number")["role"])
    return table.sort_values(["rung", "number", "repeat"], ignore_index=True)


def timed_trainings(analysis: Analysis, runs: SearchRuns) -> pd.DataFrame | None:
    """Return the trainings with `seconds`, and `end`, their sum so far; None if no seconds are known.

    Raises DataError if a trial has another number of seconds than of trainings.
    """
    table = trainings(analysis)
    seconds = {run.number: run.epoch_seconds for run in runs.trials}
    each: list[float] = [0.0] * len(table)
    for number, rows in table.groupby("number"):
        of_trial = seconds.get(int(str(number)), [])
        of_trial = [sum(of_trial)] if (rows["rung"] == IN_FULL).all() else of_trial
        if len(of_trial) != len(rows):
            counts = f"trial {number}: {len(of_trial)} seconds, {len(rows)} trainings"
            raise DataError("the seconds in data/runs/search/ do not fit rungs.csv; run the search again", [counts])
        for row, value in zip(rows.index, of_trial, strict=True):
            each[row] = value
    table["seconds"] = each
    table["end"] = table["seconds"].cumsum()
    return table if sum(each) > 0 else None


def training_seconds(analysis: Analysis, timed: pd.DataFrame) -> pd.Series:
    """Return the seconds of one training up to the last rung, mean over seeds, by trial."""
    continued = (analysis.search.study.fidelity or {}).get("schedule") == "prefix"  # each rung adds to the one before
    top = timed[timed["rung"] == analysis.top]
    counted = timed[timed["number"].isin(top["number"]) & (timed["rung"] != IN_FULL)] if continued else top
    return (counted.groupby("number")["seconds"].sum() / top.groupby("number").size()).dropna()


def best_so_far(analysis: Analysis, timed: pd.DataFrame, rung: int) -> pd.DataFrame:
    """Return number, role, `end`, `error` and the lowest errors so far of the trials at a rung, in order.

    Errors by the mean over seeds; NaN where every seed failed. `lowest`: of all that may win, so not of references;
    `sampled`: of the search's own draws.
    """
    at_rung = timed[timed["rung"] == rung].groupby("number", as_index=False).agg({"role": "first", "end": "last"})
    scores = pd.Series(analysis.scores(rung), analysis.trials["number"])
    means = np.array(at_rung["number"].map(scores), dtype=np.float64)
    errors = 10 ** log_errors(means, analysis.n_val)
    trials = at_rung.assign(error=errors).sort_values("end", ignore_index=True)
    for name, counts in (("lowest", trials["role"] != "reference"), ("sampled", trials["role"] == "search")):
        trials[name] = trials["error"].where(counts).cummin().ffill()
    return trials


def winner_number(analysis: Analysis) -> int | None:
    """Return the trial that won; None if no trial that may win reached the last rung."""
    return next((of.number for of in finalists(analysis) if of.competes), None)


def failures_table(analysis: Analysis) -> Table:
    """Return how many trainings there were of each family at each rung, and how many failed."""
    table = trainings(analysis)
    rows = []
    for family, rung in sorted({*zip(table["family"], table["rung"], strict=True)}):
        each = table[(table["family"] == family) & (table["rung"] == rung)]
        reasons = list(each.loc[each["score"].isna(), "reason"])
        counts = [each["number"].nunique(), len(each), len(reasons)]
        rows.append([family, _length(analysis, rung), *counts, reasons[0] if reasons else "–"])
    return Table(
        f"Trainings and failures, n = {len(table)} trainings of {table['number'].nunique()} trials",
        ["family", "length", "trials", "trainings", "failed or diverged", "first reason"],
        rows,
        labels=2,
        note="A training whose loss does not remain finite has diverged; it fails at once. A trial that fails under "
        "every seed of a rung is out, and the next best of its family takes its place.",
    )


def cost_table(analysis: Analysis, timed: pd.DataFrame) -> Table:
    """Return the seconds of training of each family at each rung."""
    lengths = sorted(timed["rung"].unique())
    families: list[str | None] = [*sorted(timed["family"].unique()), None]
    rows = []
    for family in families:
        of_family = timed if family is None else timed[timed["family"] == family]
        spent = [float(of_family.loc[of_family["rung"] == rung, "seconds"].sum()) for rung in lengths]
        cells = [duration(seconds) if seconds else "–" for seconds in spent]
        rows.append([family or "all", *cells, duration(sum(spent)), percent(sum(spent) / timed["seconds"].sum())])
    return Table(
        f"Time of training, n = {len(timed)} trainings, those that failed included",
        ["family", *(_length(analysis, rung) for rung in lengths), "all", "share"],
        rows,
        note="Seconds of all workers, added up.",
        run=True,
    )


def _length(analysis: Analysis, rung: int) -> str:
    return "once, in full" if rung == IN_FULL else rung_text(analysis, rung)
