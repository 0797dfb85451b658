"""AUC and calibration: what the stated probabilities are worth before a decision."""

from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import number, percent, percent_estimate, points_estimate
from pipeline.report.sections.performance import analysis
from pipeline.report.sections.probabilities import figures as figures
from pipeline.report.sections.probabilities.analysis import (
    BIN_GROUPS,
    LEAST_BINS,
    LEAST_GROUPS,
    Calibration,
    Discrimination,
)


def content(evaluation: Evaluation, areas: Discrimination, calibrated: Calibration | None) -> dict[str, Any]:
    auc = [
        [
            model, percent_estimate(areas.means[model], 2),
            "–" if (sd := analysis.spread(areas.seeds[model])) is None else f"{100 * sd:.2f}",
            ", ".join(f"{100 * area:.2f}" for area in areas.seeds[model]),
        ]
        for model in MODELS
    ]  # fmt: skip
    return {
        "auc": auc,
        "auc_of": ", ".join(evaluation.positive) + " against the rest" if areas.binary
        else "each class against the rest, mean over classes",
        "auc_difference": points_estimate(areas.difference, 2),
        "auc_groups": areas.n_groups,
        "least_groups": LEAST_GROUPS,
        "calibration": None if calibrated is None else _rows(calibrated),
        "n_bins": None if calibrated is None else calibrated.n_bins,
        "needed": BIN_GROUPS * LEAST_BINS,
        "bin_groups": BIN_GROUPS,
    }  # fmt: skip


def _rows(calibrated: Calibration) -> list[list[str]]:
    return [
        [
            model,
            ", ".join("–" if np.isnan(t) else f"{t:.2f}" for t in calibrated.temperatures[model]),
            *(percent(error, 2) for error in calibrated.errors[model]),
            percent(calibrated.exact[model], 2),
            *(number(loss) for loss in calibrated.losses[model]),
        ]
        for model in MODELS
    ]


def draw(calibrated: Calibration | None) -> dict[str, Picture]:
    if calibrated is None:
        return {}
    before, after = (percent(error, 2) for error in calibrated.errors["winner"])
    return {
        "reliability": Picture(
            "reliability", png(figures.reliability(calibrated.curves)),
            "Share of right predictions over the stated probability of the predicted class, winner on test, before and "
            f"after the temperature; expected calibration error {before} before, {after} after.",
            "Winner on test: each dot is a bin, all seeds together. Above the line the model is too modest, below too "
            "sure. Bars: Wilson, a bin counting as many effective groups (Kish 1965) as its share of the images.",
        )
    }  # fmt: skip
