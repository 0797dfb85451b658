"""Samplers and pruners: every one by name, a function of the slot, earlier trials, and a seed or the scores so far."""

from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import PipelineError
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.registry import pruners, samplers
from pipeline.search.sampling import TrialPruner, sample_parameters
from search_examples import experiment, finished

GRID = """
question: Which learning rate and batch size?
dataset: mnist
trials: 9
sampler: {name: grid}
fixed: {model: mlp, n_epochs: 2}
baseline: {lr: 0.1, batch_size: 32}
space:
  lr: [0.01, 0.001]
  batch_size: [64, 128]
"""


def parameters_of_search(settings: Experiment, n: int = 14) -> list[Configuration]:
    """Return what is sampled in a search whose score is best at a learning rate of 0.01."""
    earlier: list[FrozenTrial] = []
    for slot in range(1, n):
        sampled = sample_parameters(settings, slot, earlier)
        earlier.append(finished(sampled, slot, 1.0 - abs(np.log10(float(sampled.params["lr"])) + 2)))
    return [trial.params for trial in earlier]


@pytest.mark.parametrize("name", [name for name, kind in samplers().items() if not kind.exhaustive])
def test_equal_seeds_give_equal_samples_in_the_space(tmp_path: Path, name: str) -> None:
    settings = experiment(tmp_path, f"{{name: {name}}}")
    first = parameters_of_search(settings)
    assert first == parameters_of_search(settings)
    assert first != parameters_of_search(settings.model_copy(update={"seed": 4}))
    assert len({tuple(params.items()) for params in first}) == len(first)
    for params in first:
        assert 1e-4 <= float(params["lr"]) <= 1e-1
        assert ("mlp.width" in params) == (params["model"] == "mlp")
        assert ("cnn.width" in params) == (params["model"] == "cnn")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, kind in samplers().items() if kind.learns])
def test_a_learning_sampler_comes_nearer_than_chance(tmp_path: Path, name: str) -> None:
    far = {}
    for sampler in (name, "random"):
        distances = []
        for seed in range(3):
            settings = experiment(tmp_path, f"{{name: {sampler}}}").model_copy(update={"seed": seed})
            late = parameters_of_search(settings, 36)[-12:]
            distances += [abs(np.log10(float(params["lr"])) + 2) for params in late]
        far[sampler] = np.mean(distances)
    assert far[name] < 0.8 * far["random"]


def test_a_sample_avoids_those_still_in_training(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: tpe, startup_trials: 1}")
    earlier = [finished(sample_parameters(settings, slot, ()), slot, 0.5 + slot / 100) for slot in range(1, 6)]
    alone = sample_parameters(settings, 7, earlier)
    with_running = sample_parameters(settings, 7, earlier, [sample_parameters(settings, 6, earlier)])
    assert alone.params != with_running.params


def test_the_grid_is_that_of_the_practical(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    settings = read_experiment(path)
    assert settings.n_slots == 5
    pairs = [tuple(sample_parameters(settings, slot, ()).params.values()) for slot in range(1, 5)]
    assert pairs == [(0.01, 64), (0.01, 128), (0.001, 64), (0.001, 128)]


def test_a_grid_follows_conditions(tmp_path: Path) -> None:
    settings = experiment(
        tmp_path, "{name: grid}",
        **{"lr: {low: 1e-4, high: 1e-1, log: true}": "lr: [0.1, 0.01]", "low: 8, high: 64": "low: 8, high: 24, step: 8",
           "trials: 5": "trials: 50"},
    )  # fmt: skip
    assert settings.n_slots == 1 + 2 * 2 * (3 + 2)
    drawn = [sample_parameters(settings, slot, ()).params for slot in range(1, settings.n_slots)]
    assert len({tuple(params.items()) for params in drawn}) == 20


def test_a_grid_reaches_the_end_of_a_range_whose_steps_round_beyond_it(tmp_path: Path) -> None:
    settings = experiment(
        tmp_path, "{name: grid}",
        **{"lr: {low: 1e-4, high: 1e-1, log: true}": "lr: {low: 0.1, high: 0.3, step: 0.1}",
           "low: 8, high: 64": "low: 8, high: 24, step: 8", "trials: 5": "trials: 50"},
    )  # fmt: skip
    trials = [finished(sample_parameters(settings, slot, ()), slot, 0.5) for slot in range(1, settings.n_slots)]
    assert max(trial.params["lr"] for trial in trials) == 0.3
    assert 0.1 + 2 * 0.1 > 0.3


def test_an_even_sequence_leaves_smaller_gaps_than_chance(tmp_path: Path) -> None:
    def largest_gap(sampler: str) -> float:
        settings = experiment(tmp_path, f"{{name: {sampler}}}")
        at = np.sort([np.log10(float(sample_parameters(settings, slot, ()).params["lr"])) for slot in range(1, 33)])
        return float(np.diff(np.concatenate([[-4], at, [-1]])).max())

    assert largest_gap("qmc") < 0.25 < largest_gap("random")


def test_an_even_sequence_reaches_over_a_range_of_a_billion(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: qmc}", **{"batch_size: [32, 64]": "batch_size: {low: 1, high: 1000000000}"})
    drawn = [int(sample_parameters(settings, slot, ()).params["batch_size"]) for slot in range(1, 17)]
    assert sorted(value * 16 // 10**9 for value in drawn) == list(range(16))  # one in each sixteenth


def test_failed_trials_are_no_examples(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: tpe, startup_trials: 1}")
    earlier = [finished(sample_parameters(settings, slot, ()), slot, 0.5) for slot in range(1, 5)]
    failed = finished(sample_parameters(settings, 5, ()), 5, 0.9)
    failed.state, failed.values = TrialState.FAIL, None
    assert sample_parameters(settings, 6, [*earlier, failed]).params == sample_parameters(settings, 6, earlier).params


def test_a_sampler_avoids_what_violates_a_constraint(tmp_path: Path) -> None:
    settings = experiment(tmp_path, "{name: tpe, startup_trials: 4}")

    def late(constrained: bool) -> float:
        earlier: list[FrozenTrial] = []
        for slot in range(1, 40):
            sampled = sample_parameters(settings, slot, earlier)
            rate = np.log10(float(sampled.params["lr"]))
            trial = finished(sampled, slot, 1 + rate / 4)  # the larger the better
            if constrained:
                trial.system_attrs["constraints:rate"] = float(rate + 3)  # but not above 0.001
            earlier.append(trial)
        return float(np.mean([np.log10(float(trial.params["lr"])) > -3 for trial in earlier[-15:]]))

    assert late(True) < 0.7 * late(False)


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


@pytest.mark.parametrize("name", [name for name, kind in samplers().items() if not kind.exhaustive])
def test_what_costs_too_much_is_not_drawn_and_other_draws_stay(tmp_path: Path, name: str) -> None:
    settings = experiment(tmp_path, f"{{name: {name}}}")

    def is_affordable(config: Configuration) -> bool:
        return float(config["lr"]) < 0.01

    earlier: list[FrozenTrial] = []
    n_equal = 0
    for slot in range(1, 12):
        free = sample_parameters(settings, slot, earlier)
        sampled = sample_parameters(settings, slot, earlier, (), is_affordable)
        assert is_affordable(sampled.params)
        assert (sampled == free) == is_affordable(free.params)
        n_equal += sampled == free
        earlier.append(finished(sampled, slot, 0.5 + slot / 100))
    assert 0 < n_equal < 11


def test_a_limit_that_refuses_every_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"the first 256 draws of slot 1 all cost more than `max_cost` allows"):
        sample_parameters(experiment(tmp_path, "{name: random}"), 1, (), (), lambda config: False)


def test_a_configuration_that_failed_after_the_first_rung_remains_an_example(tmp_path: Path) -> None:
    rungs = "fidelity: {rungs: [{share: 0.5}, {share: 1, best: 1}]}"
    settings = experiment(tmp_path, "{name: tpe, startup_trials: 1}", **{"pruner: {name: none}": rungs})
    earlier = [finished(sample_parameters(settings, slot, ()), slot, 0.5) for slot in range(1, 6)]
    for trial in earlier:
        trial.intermediate_values = {0: trial.user_attrs["slot"] / 10}
    before = sample_parameters(settings, 6, earlier).params
    earlier[-1].state, earlier[-1].values = TrialState.FAIL, None
    assert (
        sample_parameters(settings, 6, earlier).params == before != sample_parameters(settings, 6, earlier[:-1]).params
    )
