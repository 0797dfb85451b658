"""The importance of each parameter of a study, and Optuna's own figures of it for MLflow."""

import warnings
from collections import defaultdict
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

MIN_TRIALS = 4  # complete ones, for an importance


def importances(study: optuna.Study, n_slots: int) -> dict[str, float] | None:
    """Return the share of the score's variance that each parameter explains, largest first; they sum to 1.

    Only complete trials of the sampler in the first `n_slots` count. None if these are too few or score the same, or if
    no parameter varies in all of them: a parameter that only some trials have gets no share.
    Source: fANOVA, Hutter et al. 2014.
    """
    trials = [trial for trial in _sampled_trials(study) if trial.user_attrs["slot"] < n_slots]
    trials.sort(key=lambda trial: int(trial.user_attrs["slot"]))  # numbers change with interruptions
    sampled = _study_of(trials)
    complete = sampled.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    common = _common(complete, _varied(complete))
    if not common or not _enough(complete):
        return None
    shares = _forest().evaluate(sampled, params=common)
    total = sum(shares.values())
    return {key: float(value / total) for key, value in shares.items()} if total > 0 else None


def draw_study(study: optuna.Study, objective: str, folder: Path) -> None:
    """Write history.png and curves.png and, of enough complete trials, parallel.png, slices.png and importances.png.

    The baseline and its variations are in the first two only.
    """
    sampled = _study_of(_sampled_trials(study))
    complete = sampled.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    varied = _varied(complete)
    common = _common(complete, varied)
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=objective),
        "curves": lambda: plots.plot_intermediate_values(study),
    }
    if _enough(complete) and varied:
        figures |= {
            "parallel": lambda: plots.plot_parallel_coordinate(sampled, list(varied), target_name=objective),
            "slices": lambda: plots.plot_slice(sampled, list(varied), target_name=objective),
        }
    if _enough(complete) and common:
        figures["importances"] = lambda: plots.plot_param_importances(sampled, _forest(), common, target_name=objective)
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


def _forest() -> FanovaImportanceEvaluator:
    return FanovaImportanceEvaluator(seed=0)


def _sampled_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials without the baseline and its variations, which the sampler did not draw."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.user_attrs["role"] == "search"]


def _study_of(trials: list[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return study


def _varied(trials: list[FrozenTrial]) -> dict[str, list[Any]]:
    """Return the values of the parameters that took more than one."""
    values: dict[str, list[Any]] = defaultdict(list)
    for trial in trials:
        for key, value in trial.params.items():
            values[key].append(value)
    return {key: taken for key, taken in values.items() if len(set(taken)) > 1}


def _common(trials: list[FrozenTrial], varied: dict[str, list[Any]]) -> list[str]:
    return [key for key, values in varied.items() if len(values) == len(trials)]


def _enough(complete: list[FrozenTrial]) -> bool:
    return len(complete) >= MIN_TRIALS and len({trial.value for trial in complete}) > 1
