"""Batch size in isolation: the designed draws of each as drawn, and with the learning rate re-tuned for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.pages import Table
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.texts import changed, optimum_cell, rung_text
from pipeline.statistics.design import RESOLUTION
from pipeline.statistics.effects import ErrorFactor, Retuned, effect_of, retuned
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import Array

MIN_DRAWS = 3  # of a batch size
NOT_FITTED = "too few draws"


@dataclass(frozen=True)
class Batch:
    """The designed draws of one batch size at the first rung."""

    size: int
    rows: NDArray[np.int64]  # places among the designed draws
    errors: Array  # (n,), NaN where training failed

    @property
    def known(self) -> Array:
        """Return the errors of the draws that did not fail."""
        return self.errors[np.isfinite(self.errors)]


def batches(analysis: Analysis) -> list[Batch]:
    """Return the batch sizes with MIN_DRAWS designed draws that did not fail; none unless there are two."""
    if "batch_size" not in analysis.columns:
        return []
    errors = 10 ** analysis.logs(analysis.rungs[0])[analysis.designed]
    sizes = analysis.columns["batch_size"].astype(float)
    every = [Batch(int(size), np.flatnonzero(sizes == size), errors[sizes == size]) for size in np.unique(sizes)]
    every = [of for of in every if of.known.size >= MIN_DRAWS]
    return every if len(every) > 1 else []


def retuned_batches(analysis: Analysis, every: list[Batch]) -> Retuned | None:
    """Return the error of each batch size with the learning rate re-tuned for it; None where the draws are too few."""
    if not every or analysis.model is None:
        return None
    term = next((term for term in analysis.model.terms if term.name == "batch_size"), None)
    doublings = [] if term is None else [term.values[of.rows] for of in every]
    if not doublings or max(np.ptp(values) for values in doublings) > 0:  # its range depends on other parameters
        return None
    return retuned(analysis.model, np.array([values[0] for values in doublings]))


def retuned_effect(analysis: Analysis, every: list[Batch]) -> ErrorFactor | None:
    """Return the factor on the error from the smallest to the largest batch size, the learning rate re-tuned."""
    fitted = retuned_batches(analysis, every)
    if fitted is None or analysis.model is None:
        return None
    first, last = every[0].size, every[-1].size
    resolution = RESOLUTION["batch_size"] ** np.log2(last / first)
    per = f"{last} instead of {first}"
    return effect_of("batch_size", per, fitted.last_over_first, analysis.model.rows.size, float(resolution))


def retuned_sentence(effect: ErrorFactor | None) -> str:
    """Return what the batch size does if the learning rate is re-tuned for it; empty where the draws are too few."""
    if effect is None or effect.interval is None:
        return ""
    start = f" With the learning rate re-tuned for each, batch {effect.per}"
    if effect.factor is None:
        low, high = effect.interval
        return f"{start} multiplies the error by {low:.2f} to {high:.2f}: cannot be determined."
    return f"{start} {changed(effect.factor)}."


def batches_table(analysis: Analysis, every: list[Batch]) -> Table | None:
    """Return the errors of each batch size, as drawn and with the learning rate re-tuned."""
    if not every:
        return None
    fitted, middle, rows = retuned_batches(analysis, every), None, []
    if fitted is not None:
        middle = _middle(analysis)
    for k, of in enumerate(every):
        row: list[Any] = [of.size, of.errors.size, of.errors.size - of.known.size]
        row += [percent(float(of.known.min())), percent(float(np.median(of.known)))]
        after = [NOT_FITTED, NOT_FITTED]
        if fitted is not None:
            log = fitted.logs[k]
            error = Estimate(*(None if end is None else 10**end for end in (log.value, log.low, log.high)))
            after = [percent_estimate(error), _lr_cell(fitted.places[k], middle)]
        rows.append([*row, *after])
    n = sum(of.errors.size for of in every)
    place = "decades of lr from the middle of its range" if fitted is not None and middle is None else "at lr"
    return Table(
        f"Batch size: error on val at {rung_text(analysis, analysis.rungs[0])}, designed draws, n = {n}",
        ["batch size", "n", "failed", "lowest", "median", "lr re-tuned [95 %]", place],
        rows,
        note="Lowest and median: as drawn, at any learning rate. Re-tuned: by the regression of the effects, which "
        "lets the best lr shift with the batch size, for the average family and what else varies. "
        f"Batch sizes with fewer than {MIN_DRAWS} draws are left out.",
    )


def _middle(analysis: Analysis) -> float | None:
    """Return the middle of the range of log10 lr; None where the range depends on other parameters."""
    ends = analysis.ranges.get("lr", analysis.columns["lr"].astype(float))
    return None if ends.ndim > 1 else float(np.log10([ends.min(), ends.max()]).mean())


def _lr_cell(place: Estimate, middle: float | None) -> str:
    """Return the learning rate at a place, or how many decades it is from the middle of its range."""
    if middle is not None:
        return optimum_cell(Estimate(*(middle + (end or 0.0) for end in (place.value, place.low, place.high))))
    value, low, high = (round(end or 0.0, 1) + 0.0 for end in (place.value, place.low, place.high))  # no -0.0
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def seconds_table(analysis: Analysis, every: list[Batch], timed: pd.DataFrame) -> Table | None:
    """Return the seconds of an epoch at each batch size, median over the designed draws of each family."""
    drawn = analysis.trials[analysis.designed].reset_index(drop=True)
    if not every or "n_epochs" not in drawn:
        return None
    first = timed[(timed["rung"] == analysis.rungs[0]) & timed["score"].notna()]
    seconds = drawn["number"].map(first.groupby("number")["seconds"].mean())
    of_epoch = (seconds / (drawn["n_epochs"].astype(float) * analysis.share(analysis.rungs[0]))).to_numpy(dtype=float)
    of_rows = analysis.families[analysis.designed]
    families = sorted(set(of_rows))
    rows = []
    for of in every:
        cells = []
        for family in families:
            known = of_epoch[of.rows][(of_rows[of.rows] == family) & np.isfinite(of_epoch[of.rows])]
            cells.append(f"{np.median(known):.3g} ({known.size})" if known.size else "–")
        rows.append([of.size, *cells])
    return Table(
        f"Seconds per epoch by batch size, median over designed draws (n), n = {sum(of.known.size for of in every)}",
        ["batch size", *families],
        rows,
        note="Time of the training at the first rung over its share of the epochs, the check on val included. Draws of "
        "a family differ in width and depth.",
        run=True,
    )
