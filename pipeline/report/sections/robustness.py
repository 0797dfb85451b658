"""The winner under mild corruptions that keep the diagnosis: how far scores fall, how many decisions flip."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.report.analysis.leaving_out import RECIPE, paired_change, recipe_estimate, units_of_macro
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent_estimate, points_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import unit_classes
from pipeline.statistics.measures import confusion_score, unit_mean
from pipeline.statistics.scores import LABELS, scores

TOLERATED_LOSS = 0.02  # of the score; an interval wholly below warns


class Shift(NamedTuple):
    """The winner on the same test images, clean and under one corruption. Shares of units, mean over seeds."""

    score: Estimate  # the objective, under the corruption
    difference: Estimate  # corrupted minus clean
    changed: Estimate  # share whose predicted class changes
    lost: Estimate | None  # share whose decision turns from positive to negative; None without positive classes
    raised: Estimate | None  # from negative to positive


def shifts(results: Results) -> tuple[Estimate, int, dict[str, Shift]]:
    """Return the score on the clean images, their number of units, and the shift by corruption."""
    part, objective, k = results.evaluation.parts["test"], results.objective, len(results.evaluation.classes)
    rows = results.robustness.rows(part.samples)
    labels, groups = part.labels[rows], part.groups[rows]
    strata, winner = unit_classes(labels, groups), part.models["winner"]
    n = strata.size if objective == "accuracy" else units_of_macro(strata)
    thresholds = np.array([[run.threshold for run in results.evaluation.runs("winner")]], dtype=float).T  # (S, 1)

    def score_of(predicted: Any) -> Any:
        return confusion_score(labels, predicted, groups, k, lambda confusion: scores(confusion)[objective])

    share = partial(flipped_share, labels=labels, groups=groups)
    predicted, called = winner.predicted[:, rows], winner.positive_score[:, rows] >= thresholds
    clean, by_corruption = score_of(predicted), {}
    for name, corrupted in results.robustness.runs().items():
        score, still = score_of(corrupted.predicted), corrupted.positive_score >= thresholds
        decides = bool(results.evaluation.positive)
        by_corruption[name] = Shift(
            recipe_estimate(score, strata, n=n),
            paired_change(score, clean, strata),
            share(predicted != corrupted.predicted),
            share(called & ~still) if decides else None,
            share(~called & still) if decides else None,
        )
    return recipe_estimate(clean, strata, n=n), strata.size, by_corruption


def flipped_share(flipped: Any, labels: Any, groups: Any) -> Estimate:
    """Return the share of units whose decision flips, mean over seeds. flipped: (S, N) bool; labels, groups: (N,)."""
    strata = unit_classes(labels, groups)
    return recipe_estimate(unit_mean(flipped, labels, groups), strata, n=strata.size)


def context(results: Results) -> dict[str, Any]:
    """Return scores and flipped decisions by corruption."""
    clean, n_units, by_corruption = shifts(results)
    objective = LABELS[results.objective]
    severe = [name for name, shift in by_corruption.items() if (shift.difference.high or 0.0) < -TOLERATED_LOSS]
    n_images, n_test = results.robustness.table["sample"].nunique(), results.evaluation.parts["test"].labels.size
    chosen = "All test images" if n_images == n_test else f"{n_images:,} test images, whole units drawn at random"
    head = ["images", objective, "difference, points", "predicted class changes"]
    decisions = ["positive to negative", "negative to positive"] if results.evaluation.positive else []
    rows: list[list[str]] = [["clean", percent_estimate(clean), *["–"] * (2 + len(decisions))]]
    for name, shift in by_corruption.items():
        flips = [percent_estimate(share) for share in (shift.changed, shift.lost, shift.raised) if share]
        rows.append([name, percent_estimate(shift.score), points_estimate(shift.difference), *flips])
    table = Table(
        f"Winner under mild corruptions: mean over seeds [95 %], n = {n_units:,} units of test, {RECIPE}",
        [*head, *decisions],
        rows,
        note=f"{chosen}, predicted again by every retraining of the winner. Difference: corrupted minus clean, paired. "
        "The other columns are shares of the units, each counted once: how often a class, or a decision at the frozen "
        "threshold, is another one than that on the clean image, right or wrong. Intervals: jackknife over units and "
        "variance between seeds.",
    )
    sentence = (
        "Each corruption keeps what the image shows: it is weaker than what differs between cameras, scanners "
        "and exports. A model that depends on the content should hardly react."
    )
    caution = f"Mild corruptions cost more than {100 * TOLERATED_LOSS:g} points of {objective}: {'; '.join(severe)}."
    return {"cautions": [caution] if severe else [], "sentences": [sentence], "tables": [table]}


SECTION = Section(order=75, title="Robustness", context=context)
