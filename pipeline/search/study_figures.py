"""How much each parameter of a study decides, and pictures of it for MLflow: Optuna's own, saved as PNG."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as plots

from pipeline.core.files import writing

matplotlib.use("Agg")

MIN_TRIALS = 4  # complete ones: fewer say nothing of a parameter's importance


def importances(study: optuna.Study, n_slots: int) -> dict[str, float] | None:
    """Share of the score's variance over the complete draws that each parameter explains, largest first; sum 1.

    None where too few draws are complete, all score the same, or no parameter varies in all of them: one that is drawn
    in some trials only has no share. n_slots: trials of later slots are left out.
    Source: fANOVA, Hutter et al. 2014.
    """
    trials = [t for t in _draws(study) if t.user_attrs["slot"] < n_slots]
    trials.sort(key=lambda trial: int(trial.user_attrs["slot"]))  # not by number, which an interruption changes
    drawn = _study_of(trials)
    complete = drawn.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    common = [key for key, values in _varied(complete).items() if len(values) == len(complete)]
    if not common or not _tells(complete):
        return None
    found = _forest().evaluate(drawn, params=common)
    total = sum(found.values())
    return {key: float(value / total) for key, value in found.items()} if total > 0 else None


def _forest() -> FanovaImportanceEvaluator:
    return FanovaImportanceEvaluator(seed=0)


def _draws(study: optuna.Study) -> list[FrozenTrial]:
    """Without the baseline and its variations: they are no draws from the space."""
    return [t for t in study.get_trials(deepcopy=False) if t.user_attrs["role"] == "search"]


def _study_of(trials: list[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return study


def _varied(trials: list[FrozenTrial]) -> dict[str, list[Any]]:
    """Values of the parameters that took more than one."""
    tried: dict[str, list[Any]] = {}
    for trial in trials:
        for key, value in trial.params.items():
            tried.setdefault(key, []).append(value)
    return {key: values for key, values in tried.items() if len(set(values)) > 1}


def _tells(complete: list[FrozenTrial]) -> bool:
    return len(complete) >= MIN_TRIALS and len({trial.value for trial in complete}) > 1


def draw_study(study: optuna.Study, objective: str, folder: Path) -> None:
    """Writes history.png, curves.png and, where enough trials are complete, importances.png, parallel.png, slices.png.

    The baseline and its variations stand in the first two only.
    """
    drawn = _study_of(_draws(study))
    complete = drawn.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    varied = _varied(complete)
    common = [key for key, values in varied.items() if len(values) == len(complete)]
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=objective),
        "curves": lambda: plots.plot_intermediate_values(study),
    }
    if _tells(complete) and varied:
        figures |= {
            "parallel": lambda: plots.plot_parallel_coordinate(drawn, list(varied), target_name=objective),
            "slices": lambda: plots.plot_slice(drawn, list(varied), target_name=objective),
        }
    if _tells(complete) and common:
        figures["importances"] = lambda: plots.plot_param_importances(drawn, _forest(), common, target_name=objective)
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
