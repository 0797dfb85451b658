"""Classifiers that see the file and at most the border of an image: what they reach may be a shortcut of the data."""

from typing import Any

import numpy as np

from pipeline.report.analysis.scoring import score_predictions
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS, SCORES, confusion_matrix, scores
from pipeline.statistics.units import unit_weights

WELL_ABOVE = 0.05  # of accuracy, by which the whole interval must exceed the commonest class


def context(results: Results) -> dict[str, Any]:
    """Return the scores of the file and border baseline, of the commonest class and of the winner."""
    classes, table = results.evaluation.classes, results.explanations.metadata_baseline
    labels, predicted = table["label"].to_numpy(), table["predicted"].to_numpy()
    groups = table["group"].to_numpy()
    by_file = table["predicted_by_file"].to_numpy()
    reached, from_file = (score_predictions(labels, runs[None], groups, len(classes)) for runs in (predicted, by_file))
    commonest = int(np.bincount(results.evaluation.parts["train"].labels).argmax())
    weights = unit_weights(labels, groups)
    constant = scores(confusion_matrix(labels, np.full_like(labels, commonest), len(classes), weights))
    winner = {name: results.scores.means[name]["winner"] for name in SCORES}
    base, accuracy = float(constant["accuracy"]), reached["accuracy"]
    features = ", ".join(results.explanations.info.varied) or "nothing that varies"
    share = shortcut(accuracy, winner["accuracy"], base)
    file_share = shortcut(from_file["accuracy"], winner["accuracy"], base)
    caution = (
        f"The data carry a shortcut: {share} of what the winner adds to naming the commonest class is reached from "
        "properties of the file and the brightness of the border "
        f"(from the file alone: {file_share or 'no notable part'})."
    )
    scores_of = Table(
        f"File and border baseline, and winner [95 %]; {results.test_n}",
        ["classifier", *(LABELS[name] for name in SCORES)],
        [
            ["winner", *(percent_estimate(winner[name]) for name in SCORES)],
            ["file and border", *(percent_estimate(reached[name]) for name in SCORES)],
            ["file alone", *(percent_estimate(from_file[name]) for name in SCORES)],
            [f"always {classes[commonest]}", *(percent(float(constant[name])) for name in SCORES)],
        ],
        note="File: width, height, format and mode of the published file. Border: mean and SD of the outermost ring of "
        "pixels of the prepared image. What does not vary in train is of no use. “Shortcut”: the whole interval is "
        "more than 5 points above the commonest class. That a shortcut exists does not show that the winner takes it; "
        "a border can also belong to the content.",
    )
    sentence = (
        f"A random forest that sees only {features}, fitted on train, reaches an accuracy of "
        f"{percent_estimate(accuracy)} on test, and {percent_estimate(from_file['accuracy'])} without the border; "
        f"always naming the commonest class of train reaches {percent(base)}."
        f"{'' if share else ' No notable shortcut of this kind.'}"
    )
    return {"sentences": [sentence], "cautions": [caution] if share else [], "tables": [scores_of]}


def shortcut(reached: Estimate, winner: Estimate, base: float) -> str | None:
    """Return the share of the winner's gain that a baseline reaches; None if it is not well above the constant.

    reached, winner: accuracy; base: that of the commonest class.
    """
    if reached.low is None or reached.low <= base + WELL_ABOVE:
        return None
    assert reached.value is not None
    assert winner.value is not None
    return "all" if reached.value >= winner.value else percent((reached.value - base) / (winner.value - base), 0)


SECTION = Section(order=110, title="File and border baseline", context=context)
