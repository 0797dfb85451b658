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
from pipeline.report.sections.probabilities import analysis
from pipeline.report.sections.probabilities.figures import reliability

CHANCE_DRAWS = 200  # of outcomes under exact probabilities; only their mean is shown


@lru_cache(maxsize=1)
def calibrated(results: Results) -> analysis.Calibration | None:
    """Return the calibration of the models; None with too few test groups."""
    return analysis.calibrate(results.evaluation, Resampling(CHANCE_DRAWS, results.generator("calibration")))


def context(results: Results) -> dict[str, Any]:
    """Return AUC and calibration."""
    areas, calibration = analysis.discriminate(results.evaluation, results.resampling("auc")), calibrated(results)
    return {
        "areas": [_auc(areas, model) for model in MODELS],
        "areas_of": ", ".join(results.evaluation.positive) if areas.binary else "each class",
        "difference": points_estimate(areas.difference, 2),
        "n_groups": areas.n_groups,
        "calibration": calibration and [_calibration(calibration, model) for model in MODELS],
        "n_bins": calibration and calibration.n_bins,
        "errors": calibration and [percent(error, 2) for error in calibration.errors["winner"]],
        "rule": analysis,
    }


def _auc(areas: analysis.Discrimination, model: str) -> list[str]:
    sd = spread(areas.seeds[model])
    seeds = ", ".join(f"{100 * area:.2f}" for area in areas.seeds[model])
    return [model, percent_estimate(areas.means[model], 2), "–" if sd is None else f"{100 * sd:.2f}", seeds]


def _calibration(calibration: analysis.Calibration, model: str) -> list[str]:
    temperatures = ", ".join("–" if np.isnan(t) else f"{t:.2f}" for t in calibration.temperatures[model])
    errors = [percent(error, 2) for error in (*calibration.errors[model], calibration.exact[model])]
    return [model, temperatures, *errors, *(number(loss) for loss in calibration.losses[model])]


def draw(results: Results) -> list[Picture]:
    """Draw the reliability of the winner before and after temperature scaling."""
    calibration = calibrated(results)
    return [Picture("reliability", png(reliability(calibration.curves)))] if calibration else []


SECTION = Section(order=80, title="Probabilities", context=context, figures=draw)
