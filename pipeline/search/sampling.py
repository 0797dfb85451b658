"""Sample the parameters of a trial: a function of the experiment, the slot, and the trials a sampler may learn from.

The sampler sees a study in memory in which the number of a trial is its slot. So its draws depend neither on which of
two trials was faster nor on where a search was interrupted.
"""

from collections.abc import Iterable
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from pipeline.artifacts.configuration import Configuration
from pipeline.core.seeds import derive_seed
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.registry import SamplingRequest
from pipeline.experiment.space import SearchParameter
from pipeline.search.optuna_study import SampledParameters, quietly, study_in_memory

optuna.logging.set_verbosity(optuna.logging.WARNING)


def sample_parameters(
    experiment: Experiment, slot: int, earlier: Iterable[FrozenTrial], running: Iterable[SampledParameters] = ()
) -> SampledParameters:
    """Return the parameters of a slot that the sampler fills.

    earlier: finished trials to learn from; running: sampled parameters without a result, to keep away from.
    """
    sampler, seed = experiment.sampler, experiment.seed
    request = SamplingRequest(
        fixed=experiment.fixed,
        space=experiment.space,
        index=slot - experiment.first_sampled,
        seed=derive_seed(seed, "sampler", slot),
        study_seed=derive_seed(seed, "sampler"),
    )
    study = study_in_memory(
        experiment, slot, earlier if sampler.learns else (), running=running if sampler.learns else ()
    )
    with quietly():
        study.sampler = sampler.make(request)
    trial = study.ask()
    sampled: Configuration = dict(experiment.fixed)
    for parameter in experiment.space:
        if parameter.active(sampled):
            sampled[parameter.key] = _suggest(trial, parameter)
    frozen = study.get_trials(deepcopy=False)[-1]
    return SampledParameters(slot, frozen.params, frozen.distributions, frozen.system_attrs)


def _suggest(trial: optuna.Trial, parameter: SearchParameter) -> Any:
    key, low, high, step = parameter.key, parameter.low, parameter.high, parameter.step
    if parameter.choices:
        return trial.suggest_categorical(key, parameter.choices)
    if parameter.integer:
        return trial.suggest_int(key, int(low), int(high), step=int(step or 1), log=parameter.log)
    return trial.suggest_float(key, low, high, step=step, log=parameter.log)
