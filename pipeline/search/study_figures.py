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
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from pipeline.core.files import writing
from pipeline.search.sampling import at_first_rung

matplotlib.use("Agg")

MIN_TRIALS = 4  # complete ones, for an importance


def importances(study: optuna.Study, n_slots: int) -> dict[str, float] | None:
    """Return the share of the score's variance that each parameter explains, largest first; they sum to 1.

    Only complete trials of the sampler in the first `n_slots` count. None if these are too few or score the same, or if
    no parameter varies in all of them: a parameter that only some trials have gets no share.
    Source: fANOVA, Hutter et al. 2014.
    """
    sampled = _sampled_trials(study, n_slots)
    _, common = _varied(sampled)
    shares = FanovaImportanceEvaluator(seed=0).evaluate(sampled, params=common) if common else {}
    total = sum(shares.values())
    return {key: float(value / total) for key, value in shares.items()} if total > 0 else None


def draw_study(study: optuna.Study, objective: str, folder: Path) -> None:
    """Write history.png and curves.png and, of enough complete trials, parallel.png, slices.png and importances.png.

    The baseline and its variations are in the first two only.
    """
    sampled = _sampled_trials(study)
    varied, common = _varied(sampled)
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=objective),
        "curves": lambda: plots.plot_intermediate_values(study),
    }
    if varied:
        figures |= {
            "parallel": lambda: plots.plot_parallel_coordinate(sampled, varied, target_name=objective),
            "slices": lambda: plots.plot_slice(sampled, varied, target_name=objective),
        }
    if common:
        forest = FanovaImportanceEvaluator(seed=0)
        figures["importances"] = lambda: plots.plot_param_importances(sampled, forest, common, target_name=objective)
    for name, draw in figures.items():
        with warnings.catch_warnings(), writing(folder / f"{name}.png") as part:
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.filterwarnings("ignore", "Tight layout not applied")  # long names on a narrow figure
            draw()
            figure = plt.gcf()
            if name == "parallel":
                figure.set_size_inches(max(7, 1.5 * len(varied)), 5)
            figure.savefig(part, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        plt.close("all")


def _sampled_trials(study: optuna.Study, n_slots: int | None = None) -> optuna.Study:
    """Return a study without given configurations, all by the score at the first rung where there are rungs.

    n_slots: keep only the first, ordered by slot.
    """
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.user_attrs["role"] == "search"]
    if n_slots is not None:  # numbers change with interruptions
        trials = sorted(trials, key=lambda trial: int(trial.user_attrs["slot"]))
        trials = [trial for trial in trials if trial.user_attrs["slot"] < n_slots]
    sampled = optuna.create_study(direction="maximize")
    sampled.add_trials(at_first_rung(trial) if 0 in trial.intermediate_values else trial for trial in trials)
    return sampled


def _varied(study: optuna.Study) -> tuple[list[str], list[str]]:
    """Return the parameters with several values in complete trials, and those of them that all these trials have.

    Both are empty if the complete trials are too few or score the same.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS or len({trial.value for trial in complete}) == 1:
        return [], []
    values: dict[str, list[Any]] = defaultdict(list)
    for trial in complete:
        for key, value in trial.params.items():
            values[key].append(value)
    varied = [key for key, taken in values.items() if len(set(taken)) > 1]
    return varied, [key for key in varied if len(values[key]) == len(complete)]
