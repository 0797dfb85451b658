"""Cross-validation: the recipe on new data, and what folds that divide patients would have shown."""

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.artifacts.cross_validation import COPIES, GROUP, FoldPart
from pipeline.artifacts.evaluation import MODELS
from pipeline.report.analysis.out_of_fold import Decisions, OutOfFold, score_out_of_fold
from pipeline.report.drawing import MODEL_COLORS, Picture, canvas, percents, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import count_estimate, number, percent, percent_estimate, points, points_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.report.sections.subgroups import recall_by_source, source_table
from pipeline.statistics.calibration import ROUNDING, tempered
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS, SCORES, class_scores, confusion_matrix, log_loss, scores
from pipeline.statistics.units import unit_weights

SOURCE_NOTE = "A class that is recognised from one source and missed from another is learned by its source in part."
RATES = {"sensitivity": 1, "specificity": 0}  # row of a confusion matrix of negative, positive


def _rates(confusion: Any) -> dict[str, Any]:
    recall = class_scores(confusion)["recall"]
    return {name: recall[..., side] for name, side in RATES.items()}


@lru_cache(maxsize=4)
def analyse(results: Results, by: str, model: str) -> dict[str, OutOfFold]:
    """Return every score of a model by one partition; with positive classes also the rates of the decision."""
    held_out, evaluation = results.cross_validation.of(by, model), results.evaluation
    part, test, k = held_out.part, evaluation.parts["test"], len(evaluation.classes)
    sealed = test.models[model]
    predicted = Decisions(held_out.predicted, part.labels, part.groups, k)
    predicted_sealed = Decisions(sealed.predicted, test.labels, test.groups, k)
    analysed = score_out_of_fold(predicted, held_out.folds, predicted_sealed, scores)
    if evaluation.positive:
        thresholds = np.array(results.decisions[model].thresholds)[:, None]
        called = Decisions(held_out.called.astype(int), part.positive.astype(int), part.groups, 2)
        is_called = (sealed.positive_score >= thresholds).astype(int)
        called_sealed = Decisions(is_called, test.positive.astype(int), test.groups, 2)
        analysed |= score_out_of_fold(called, held_out.folds, called_sealed, _rates, RATES)
    return analysed


def new_data(results: Results) -> dict[str, Estimate]:
    """Return the scores of the winner's recipe on new data; empty without a cross-validation."""
    analysed = analyse(results, GROUP, "winner") if results.cross_validation.partitions else {}
    return {name: of.estimate for name, of in analysed.items() if name in SCORES}


def context(results: Results) -> dict[str, Any] | None:
    """Return scores, folds, and the lesson of folds by copies; None without a cross-validation."""
    partitions = results.cross_validation.partitions
    if not partitions:
        return None
    winner, baseline = (analyse(results, GROUP, model) for model in MODELS)
    held_out = results.cross_validation.of(GROUP, "winner")
    n_folds, n_repeats = len(held_out.repeats[0]), len(held_out.repeats)
    n = f"n = {np.unique(held_out.part.groups).size:,} units, {held_out.part.labels.size:,} images"
    scored = Table(
        f"The recipe on new data: {n_folds} folds, every unit predicted once [95 %]; {n}",
        ["score", "winner", "baseline", "winner − baseline, points", "SD over folds, points", "lowest, highest fold"],
        [_row(name, winner[name], baseline[name]) for name in winner],
        note=f"No fold divides a unit. In each, threshold and epoch are chosen on a part of the training units; the "
        f"winner is trained {n_repeats} times, the baseline once. Interval: other units, other training data, other "
        "seeds. Caveat: search and choice of the recipe have seen most of these units, so these numbers are "
        "optimistic about the choice; those of the test part are not, but it is one part of many.",
    )
    tables = [scored, _folds(results, winner, baseline)]
    if results.evaluation.positive:
        tables.append(_alarms(results, winner["specificity"].estimate, n))
    if COPIES in partitions:
        tables.append(_lesson(results))
    if recalls := recall_by_source(results.evaluation, held_out.part, held_out.folds):
        tables.append(
            source_table(recalls, "winner, every unit predicted once [95 %]; n units in each row", SOURCE_NOTE)
        )
    return {"sentences": [_calibration(held_out)], "tables": tables}


def _calibration(held_out: FoldPart) -> str:
    """Return the log loss of the stated probabilities and of those with the temperature of each fold."""
    labels, stated = held_out.part.labels, held_out.part.models[held_out.model].probabilities
    weights = unit_weights(labels, held_out.part.groups)
    corrected = tempered(stated, held_out.temperatures[..., None])
    before, after = (log_loss(p, labels, weights, floor=ROUNDING).mean() for p in (stated, corrected))
    return (
        f"Log loss of the winner out of fold: {number(before)} as stated, {number(after)} with the temperature that "
        "each training fitted on the val part of its fold."
    )


def _row(name: str, winner: OutOfFold, baseline: OutOfFold) -> list[str]:
    mean = winner.by_fold.mean(axis=0)
    return [
        LABELS.get(name, name),
        percent_estimate(winner.estimate),
        percent_estimate(baseline.estimate),
        points_estimate(winner.minus(baseline)),
        points(float(mean.std(ddof=1))),
        f"{percent(float(mean.min()))}, {percent(float(mean.max()))}",
    ]


def _folds(results: Results, winner: dict[str, OutOfFold], baseline: dict[str, OutOfFold]) -> Table:
    """Return one row per fold; the first is the sealed part."""
    held_out = results.cross_validation.of(GROUP, "winner")
    rates = [name for name in RATES if name in winner]
    rows = []
    for k, run in enumerate(held_out.repeats[0]):
        of_fold = held_out.folds == run.fold
        n_groups = np.unique(held_out.part.groups[of_fold]).size
        seeds = ", ".join(percent(float(value)) for value in winner["macro_f1"].by_fold[:, k])
        means = [percent(float(winner[name].by_fold[:, k].mean())) for name in rates]
        name = f"{run.fold}, the test part" if k == 0 else str(run.fold)
        rows.append(
            [name, n_groups, int(of_fold.sum()), seeds, percent(float(baseline["macro_f1"].by_fold[0, k])), *means]
        )
    return Table(
        "Macro F1 of each training over the units that the fold holds out; n units in each row",
        ["fold", "units", "images", "winner, every seed", "baseline", *(f"{name}, winner" for name in rates)],
        rows,
        note="The spread between folds is what one test part cannot show: other units to test and to learn from.",
    )


def _alarms(results: Results, specificity: Estimate, n: str) -> Table:
    """Return the false positives of a screening at the specificity of the folds, next to those of the test part."""
    estimate = results.decisions["winner"].estimate

    def alarmed(of: Estimate) -> Estimate:
        ends = (None if x is None else estimate.n_healthy * (1 - x) for x in (of.value, of.high, of.low))
        return Estimate(*ends)

    n_screened, n_images = results.settings.screening.n_screened, results.evaluation.parts["test"].labels.size
    n_test = f"n = {results.scores.n_groups:,} units, {n_images:,} images"
    return Table(
        f"False positives when {n_screened:,} are screened, if one image decides [95 %]; n units in each row",
        ["estimated from", "part", "false positives"],
        [
            ["the recipe on new data", f"all folds, {n}", count_estimate(alarmed(specificity))],
            [
                "the recipe on these training data",
                f"test part, {n_test}",
                count_estimate(estimate.false_positives),
            ],
        ],
    )


def _lesson(results: Results) -> Table:
    """Return the scores of folds that divide patients but no copies, next to those of folds that divide neither."""
    n_classes, rows = len(results.evaluation.classes), []
    for by, kept in ((GROUP, "copies and patients"), (COPIES, "copies alone")):
        held_out, winner = results.cross_validation.of(by, "winner"), analyse(results, by, "winner")
        runs = held_out.repeats[0]
        seen = sum(run.n_seen for run in runs) / sum(run.n_images for run in runs)
        by_image = scores(confusion_matrix(held_out.part.labels, held_out.predicted, n_classes))["macro_f1"].mean()
        f1 = winner["macro_f1"]
        rates = [percent_estimate(winner[name].estimate) for name in RATES if name in winner]
        sd = points(float(f1.by_fold.mean(axis=0).std(ddof=1)))
        rows.append([kept, percent(seen), percent_estimate(f1.estimate), sd, percent(float(by_image)), *rates])
    n = np.unique(held_out.part.groups).size
    return Table(
        f"Lesson: what folds that divide patients would have shown, winner [95 %]; n = {n:,} units",
        [
            "no fold divides",
            "images whose patient or copy was in training",
            "macro F1 [95 %]",
            "SD over folds, points",
            "by image",
        ]
        + [f"{name} [95 %]" for name in RATES if results.evaluation.positive],
        rows,
        note="Both rows are scored alike: a unit (patient, or copies) counts once. A model that has seen other "
        "images of a patient may recognise the patient instead of what is asked for.",
    )


def draw(results: Results) -> list[Picture]:
    """Draw the macro F1 of each fold."""
    by_model = {model: analyse(results, GROUP, model)["macro_f1"] for model in MODELS}
    caption = (
        "Macro F1 of each training by fold, over the units that the fold holds out. Lines: all folds together. Fold 1 "
        "is the test part."
    )
    return [Picture("folds", png(draw_folds(by_model)), "Macro F1 by fold; the table has the numbers.", caption)]


@styled
def draw_folds(by_model: dict[str, OutOfFold]) -> Figure:
    """Draw a dot per training and fold, and the mean of all."""
    figure, axes = canvas(2.6)
    axis = axes[0, 0]
    for shift, (model, of) in zip((-0.08, 0.08), by_model.items(), strict=True):
        color, numbers = MODEL_COLORS[model], np.arange(1, of.by_fold.shape[1] + 1)
        for repeat in of.by_fold:
            axis.plot(numbers + shift, repeat, "o", color=color, ms=5.5, alpha=0.75)
        axis.axhline(float(of.pooled.mean()), color=color, lw=1.4, label=model)
    axis.set(xlabel="fold", ylabel="macro F1", xticks=numbers)
    axis.yaxis.set_major_formatter(percents)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9.5)
    return figure


SECTION = Section(order=65, title="Cross-validation", context=context, figures=draw)
