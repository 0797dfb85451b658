"""AUC and calibration: how good the probabilities are before a decision."""

from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.analysis.scoring import Resampling, spread
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import number, percent, percent_estimate, points_estimate
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.probabilities.analysis import (
    BIN_GROUPS,
    LEAST_BINS,
    LEAST_GROUPS,
    Calibration,
    calibrate,
    discriminate,
)
from pipeline.report.sections.probabilities.figures import reliability
from pipeline.report.table import Table

CHANCE_DRAWS = 200  # of outcomes under exact probabilities; only their mean is shown


@lru_cache(maxsize=1)
def calibrated(results: Results) -> Calibration | None:
    """Return the calibration of the models; None with too few test groups."""
    return calibrate(results.evaluation, Resampling(CHANCE_DRAWS, results.generator("calibration")))


def context(results: Results) -> dict[str, Any]:
    """Return AUC and calibration as tables."""
    calibration, needed = calibrated(results), BIN_GROUPS * LEAST_BINS
    return {
        "auc": _auc(results),
        "calibration": None if calibration is None else _calibration(calibration),
        "needed": f"bins of at least {BIN_GROUPS} groups, at least {LEAST_BINS} of them, take {needed} test groups",
    }


def _auc(results: Results) -> Table:
    areas = discriminate(results.evaluation, results.resampling("auc"))
    rows = []
    for model in MODELS:
        sd = spread(areas.seeds[model])
        seeds = ", ".join(f"{100 * area:.2f}" for area in areas.seeds[model])
        rows.append([model, percent_estimate(areas.means[model], 2), "–" if sd is None else f"{100 * sd:.2f}", seeds])
    classes = " and ".join(results.evaluation.positive)
    of = f"{classes} against the rest" if areas.binary else "each class against the rest, mean over classes"
    missing = f"; no interval here, since the smaller side holds {areas.n_groups} groups, fewer than {LEAST_GROUPS}"
    return Table(
        f"Area under the ROC curve, %: {of}",
        ["model", "mean over seeds [95 %]", "SD over seeds, points", "every seed"],
        rows,
        note=f"Winner minus baseline, points: {points_estimate(areas.difference, 2)}. Bootstrap over groups, the same "
        f"draws for both models{missing if areas.n_groups < LEAST_GROUPS else ''}. The AUC judges the order of the "
        "scores at every threshold.",
    )


def _calibration(calibration: Calibration) -> Table:
    rows = [
        [
            model,
            ", ".join("–" if np.isnan(t) else f"{t:.2f}" for t in calibration.temperatures[model]),
            *(percent(error, 2) for error in calibration.errors[model]),
            percent(calibration.exact[model], 2),
            *(number(loss) for loss in calibration.losses[model]),
        ]
        for model in MODELS
    ]
    return Table(
        "Stated probability of the predicted class on test, means over seeds; ECE in "
        f"{calibration.n_bins} bins of equal mass",
        [
            "model",
            "temperature of each seed, fitted on val",
            "ECE as stated",
            "ECE with temperature",
            "ECE of chance alone",
            "log loss as stated",
            "log loss with temperature",
        ],
        rows,
        note="ECE: expected calibration error, the mean gap between stated probability and share that is right. It "
        "cannot reach 0 in a sample: a model whose probabilities were exact would show the ECE of chance. A "
        "temperature above 1 means that the model was overconfident; it changes no prediction. Every other number of "
        "this page, also the thresholds, uses the probabilities as stated. “–”: val holds no error to fit one on.",
    )


def draw(results: Results) -> list[Picture]:
    """Draw the reliability of the winner before and after temperature scaling."""
    calibration = calibrated(results)
    if calibration is None:
        return []
    before, after = (percent(error, 2) for error in calibration.errors["winner"])
    return [
        Picture(
            "reliability",
            png(reliability(calibration.curves)),
            alt="Share of right predictions over the stated probability of the predicted class, winner on test, before "
            f"and after the temperature; expected calibration error {before} before, {after} after.",
            caption="Winner on test: each dot is a bin, all seeds together. Above the line the model is too modest, "
            "below it is too sure. Bars: Wilson; a bin counts as many effective groups (Kish 1965) as its share of the "
            "images.",
        )
    ]


SECTION = Section(order=80, title="Probabilities", context=context, figures=draw)
