"""Pictures of a study for MLflow: Optuna's own, saved as PNG."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from pipeline.files import writing

MIN_TRIALS = 4  # complete ones: fewer say nothing of a parameter's importance


def draw_study(study: optuna.Study, objective: str, folder: Path) -> None:
    """Writes history.png, curves.png and, where enough trials are complete, importances.png, parallel.png, slices.png.

    The baseline and its variations stand in the first two only: they are no draws from the space.
    """
    drawn = optuna.create_study(direction="maximize")
    drawn.add_trials([t for t in study.get_trials(deepcopy=False) if t.user_attrs["role"] == "search"])
    complete = drawn.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=objective),
        "curves": lambda: plots.plot_intermediate_values(study),
    }
    tried: dict[str, list[Any]] = {}
    for trial in complete:
        for key, value in trial.params.items():
            tried.setdefault(key, []).append(value)
    varied = [key for key, values in tried.items() if len(set(values)) > 1]
    common = [key for key in varied if len(tried[key]) == len(complete)]
    if len(complete) >= MIN_TRIALS and len({trial.value for trial in complete}) > 1:
        forest = FanovaImportanceEvaluator(seed=0)
        figures |= {
            "importances": lambda: plots.plot_param_importances(drawn, forest, common, target_name=objective),
            "parallel": lambda: plots.plot_parallel_coordinate(drawn, varied, target_name=objective),
            "slices": lambda: plots.plot_slice(drawn, varied, target_name=objective),
        }
        figures = {name: draw for name, draw in figures.items() if varied or name in ("history", "curves")}
        if not common:
            figures.pop("importances", None)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in figures.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            draw()
        figure = plt.gcf()
        if name == "parallel":
            figure.set_size_inches(max(7, 1.5 * len(varied)), 5)
        with writing(folder / f"{name}.png") as part:
            figure.savefig(part, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        plt.close("all")
