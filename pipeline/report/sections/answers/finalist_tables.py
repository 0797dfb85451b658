"""Tables of the trials at the last rung."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pipeline.report.formatting import duration, percent
from pipeline.report.pages import Table
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.best import Finalist, best_of_families, network_sizes, pareto, pooled_error
from pipeline.report.sections.answers.texts import WHOLE, name_of, rung_text

REFERENCE = "reference, for comparison"


def families_table(analysis: Analysis, every: list[Finalist]) -> Table | None:
    """Return the best trial of each family at the last rung; None without a trial that may win."""
    sizes = network_sizes(analysis)
    n = {family: sum(of.family == family for of in every if of.competes) for family in {of.family for of in every}}
    rows = [
        [of.family, of.number, _role(of), n[of.family], f"{sizes[of.number]:,.0f}", percent(of.mean), _seeds(of)]
        for of in best_of_families(every)
    ]
    short = "" if analysis.share(analysis.top) >= WHOLE else " Shorter than a whole training: no ranking of families."
    return Table(
        f"Best trial of each family at {rung_text(analysis, analysis.top)}, on val, "
        f"n = {sum(n.values())} trials there",
        ["family", "trial", "role", "of n trials", "trainable weights", "mean over seeds", "seeds, %"],
        rows,
        note=f"The best of n trials is optimistic, the more so the larger n.{short}",
    ) if rows else None  # fmt: skip


def _role(of: Finalist) -> str:
    return f"{of.role} from {of.source}" if of.source else of.role


def _seeds(of: Finalist) -> str:
    return ", ".join(f"{100 * score:.1f}" for score in of.scores)


def given_table(analysis: Analysis, every: list[Finalist]) -> Table:
    """Return the best finalist with and without configurations that people chose, or another study."""
    rows = []
    studies = analysis.search.study.enqueued_from
    competing = [of for of in every if of.competes]
    for label, members in (
        ("sampled and enqueued", competing),
        *((f"without those of {study}", [of for of in competing if of.source != study]) for study in studies),
        ("sampled alone", [of for of in every if of.role == "search"]),
        ("references, which cannot win", [of for of in every if not of.competes]),
    ):
        best = members[0] if members else None
        rows.append([label, len(members), name_of(best) if best else "none", percent(best.mean) if best else "–"])
    return Table(
        f"Best score on val with and without given configurations, {_trials_at_top(analysis, every)}",
        ["trials", "n", "best", "mean over seeds"],
        rows,
        note="What the search itself has to show, next to configurations that it was given. "
        f"{_given_by_studies(studies)}Best of n: optimistic.",
    )


def _given_by_studies(studies: Mapping[str, list[int]]) -> str:
    texts = [f"Enqueued from {study}: trials {', '.join(map(str, numbers))}" for study, numbers in studies.items()]
    return "".join(f"{text}. " for text in texts)


def size_table(analysis: Analysis, every: list[Finalist]) -> Table | None:
    """Return the Pareto front of score and size, and the smallest network within one standard error of the best."""
    rows = _front(every, network_sizes(analysis), lambda n: f"{n:,.0f}", "smallest within 1 SE")
    return Table(
        f"Pareto front of score on val and size of the network, {_trials_at_top(analysis, every)}",
        ["trial", "trainable weights", "mean over seeds", "note"],
        rows,
        note=f"No other trial has both a higher score and fewer weights. {_stated_error(every)}",
    ) if rows else None  # fmt: skip


def time_table(analysis: Analysis, every: list[Finalist], seconds: pd.Series) -> Table | None:
    """Return the Pareto front of score and time, and the fastest within one standard error of the best.

    seconds: of one training at the last rung, by trial.
    """
    rows = _front(every, seconds, duration, "fastest within 1 SE")
    return Table(
        f"Pareto front of score on val and time of one training, {_trials_at_top(analysis, every)}",
        ["trial", "time of training", "mean over seeds", "note"],
        rows,
        note=f"No other trial has both a higher score and less time. {_stated_error(every)}",
        run=True,
    ) if rows else None  # fmt: skip


def _front(every: list[Finalist], costs: pd.Series, show: Callable[[float], str], best: str) -> list[list[Any]]:
    """Return the rows of a Pareto front, then the best of other families and the references.

    best: the note on the cheapest within one standard error of the best.
    """
    front, error = pareto(every, costs), pooled_error(every)
    close = [of for of in front if error is not None and of.mean >= front[-1].mean - error]
    if not front:
        return []
    notes = {of.number: f"front, {best}" if close[:1] == [of] else "front" for of in front}
    notes |= {of.number: f"best {of.family}" for of in best_of_families(every) if of.number not in notes}
    notes |= {of.number: REFERENCE for of in every if not of.competes}
    shown = sorted((of for of in every if of.number in notes and of.number in costs), key=lambda of: costs[of.number])
    return [[name_of(of), show(float(costs[of.number])), percent(of.mean), notes[of.number]] for of in shown]


def _trials_at_top(analysis: Analysis, every: list[Finalist]) -> str:
    return f"n = {len(every)} trials at {rung_text(analysis, analysis.top)}"


def _stated_error(every: list[Finalist]) -> str:
    error = pooled_error(every)
    stated = "unknown, one seed" if error is None else f"{100 * error:.2f} points, SD between seeds pooled"
    return f"Standard error of the best: {stated}."
