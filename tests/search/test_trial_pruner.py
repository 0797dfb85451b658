"""Pruners: every one by name, a function of a trial's scores, its slot and earlier trials."""

from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline.experiment.experiment import Experiment
from pipeline.experiment.registry import pruners
from pipeline.search.sampling import sample_parameters
from pipeline.search.trial_pruner import TrialPruner
from search_examples import experiment, finished

PRUNER_OPTIONS = {
    "median": "{name: median, startup_trials: 2, warmup: 0.3}",
    "successive_halving": "{name: successive_halving, first_rung: 0.2, reduction_factor: 2}",
    "hyperband": "{name: hyperband, first_rung: 0.2, reduction_factor: 2}",
    "patience": "{name: patience, epochs: 2}",
}


def history(settings: Experiment, scores: list[float], n_epochs: int) -> list[FrozenTrial]:
    """Return trials that a pruner followed to their end."""
    earlier: list[FrozenTrial] = []
    for slot, score in enumerate(scores, start=1):
        trial = finished(sample_parameters(settings, slot, ()), slot, score, n_epochs)
        pruner = TrialPruner(settings, slot, n_epochs, earlier)
        for epoch, value in trial.intermediate_values.items():
            if pruner.stops(epoch, value):
                trial.state, trial.values = TrialState.PRUNED, None
                break
        trial.user_attrs["pruner"] = pruner.memory
        earlier.append(trial)
    return earlier


def stopped_at(settings: Experiment, earlier: list[FrozenTrial], curve: list[float]) -> int | None:
    pruner = TrialPruner(settings, len(earlier) + 1, len(curve), earlier)
    return next((epoch for epoch, value in enumerate(curve, start=1) if pruner.stops(epoch, value)), None)


@pytest.mark.parametrize("name", pruners())
@pytest.mark.parametrize("n_epochs", [5, 40])
def test_a_hopeless_trial_is_stopped_and_the_best_is_not(tmp_path: Path, name: str, n_epochs: int) -> None:
    settings = experiment(tmp_path, "{name: random}", PRUNER_OPTIONS.get(name, f"{{name: {name}}}"))
    earlier = history(settings, [0.7, 0.8, 0.75, 0.85, 0.6, 0.9], 10)
    rising = [0.99 * epoch / n_epochs for epoch in range(1, n_epochs + 1)]
    assert stopped_at(settings, earlier, rising) is None
    hopeless = [0.02 - epoch * 1e-4 for epoch in range(n_epochs)]
    stop = stopped_at(settings, earlier, hopeless)
    if name == "none":
        assert stop is None
    elif name == "hyperband":  # some brackets give every trial all epochs
        assert stop is None or stop < n_epochs
    else:
        assert stop is not None
        assert stop < n_epochs


def test_the_median_waits_for_the_warm_up_and_for_enough_trials(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: random}", "{name: median, startup_trials: 3, warmup: 0.5}")
    hopeless = [0.01] * 20
    assert stopped_at(settings, history(settings, [0.7, 0.8], 10), hopeless) is None
    assert stopped_at(settings, history(settings, [0.7, 0.8, 0.9], 10), hopeless) == 11


def test_hyperband_spreads_trials_over_brackets(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: random}", PRUNER_OPTIONS["hyperband"])
    hopeless = [0.02 - epoch * 1e-4 for epoch in range(20)]
    ends = set()
    for n in range(2, 30):
        earlier = history(settings, list(np.linspace(0.5, 0.9, n)), 10)
        ends.add(stopped_at(settings, earlier, hopeless))
    assert len(ends) > 1
