"""What sampler and pruner decide: a function of the experiment, the slot and the trials they may look at.

They look at a study in memory in which the number of a trial is its slot. So a decision depends neither on which of
two trials was faster nor on where a search was stopped, and whatever Optuna's samplers and pruners note with a trial
(`memory`) is handed back to them.
"""

from collections.abc import Iterable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from pipeline.artifacts.configuration import Configuration
from pipeline.core.seeds import derive_seed
from pipeline.experiment.samplers import CmaEs, Gp, Grid, Qmc, Random, Tpe
from pipeline.experiment.space import Experiment, SearchParameter
from pipeline.search.optuna_study import SampledParameters, quietly, study_in_memory

optuna.logging.set_verbosity(optuna.logging.WARNING)


def sample_parameters(
    experiment: Experiment, slot: int, earlier: Iterable[FrozenTrial], running: Iterable[SampledParameters] = ()
) -> SampledParameters:
    """earlier: finished trials that the sampler may learn from; running: drawn and not told yet, to keep away from."""
    if isinstance(experiment.sampler, Grid | Qmc):
        index = slot - experiment.first_draw
        params = experiment.combinations[index] if isinstance(experiment.sampler, Grid) else _even(experiment, index)
        leaves = {leaf.key: leaf for leaf in experiment.space}
        return SampledParameters(slot, params, {key: _distribution(leaves[key]) for key in params})
    blind = isinstance(experiment.sampler, Random)
    study = study_in_memory(experiment, slot, () if blind else earlier, () if blind else running)
    study.sampler = _sampler(experiment, slot)
    trial = study.ask()
    drawn: Configuration = dict(experiment.fixed)
    for leaf in experiment.space:
        if leaf.active(drawn):
            drawn[leaf.key] = _suggest(trial, leaf)
    frozen = study.get_trials(deepcopy=False)[-1]
    return SampledParameters(slot, frozen.params, frozen.distributions, frozen.system_attrs)


def _even(experiment: Experiment, index: int) -> Configuration:
    settings, space = experiment.sampler, experiment.space
    assert isinstance(settings, Qmc)
    engines: dict[str, type[qmc.QMCEngine]] = {"sobol": qmc.Sobol, "halton": qmc.Halton}
    engine = engines[settings.sequence](len(space), rng=derive_seed(experiment.seed, "sampler"))
    if index:
        engine.fast_forward(index)
    drawn: Configuration = dict(experiment.fixed)
    params: Configuration = {}
    for leaf, u in zip(space, engine.random(1)[0], strict=True):
        if leaf.active(drawn):
            drawn[leaf.key] = params[leaf.key] = leaf.at(float(u))
    return params


def _distribution(leaf: SearchParameter) -> BaseDistribution:
    if leaf.choices:
        return CategoricalDistribution(leaf.choices)
    if leaf.integer:
        return IntDistribution(int(leaf.low), int(leaf.high), leaf.log, int(leaf.step or 1))
    return FloatDistribution(leaf.low, leaf.high, leaf.log, leaf.step)


def _suggest(trial: optuna.Trial, leaf: SearchParameter) -> Any:
    if leaf.choices:
        return trial.suggest_categorical(leaf.key, leaf.choices)
    if leaf.integer:
        return trial.suggest_int(leaf.key, int(leaf.low), int(leaf.high), step=int(leaf.step or 1), log=leaf.log)
    return trial.suggest_float(leaf.key, leaf.low, leaf.high, step=leaf.step, log=leaf.log)


def _sampler(experiment: Experiment, slot: int) -> BaseSampler:
    settings, seed = experiment.sampler, derive_seed(experiment.seed, "sampler", slot)
    with quietly():
        match settings:
            case Tpe():  # conditional spaces need `group`
                return TPESampler(n_startup_trials=settings.startup_trials, multivariate=True, group=True, seed=seed)
            case Gp():
                return GPSampler(n_startup_trials=settings.startup_trials, seed=seed, warn_independent_sampling=False)
            case CmaEs():
                return CmaEsSampler(
                    n_startup_trials=settings.startup_trials, seed=seed, warn_independent_sampling=False
                )
            case _:
                return RandomSampler(seed)
