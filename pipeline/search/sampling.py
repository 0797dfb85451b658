"""Sample the parameters of a trial and prune it: what the samplers and pruners of an experiment see, and answer.

Both see a study in memory in which the number of a trial is its slot. So the draws depend neither on which of two
trials was faster nor on where a search was interrupted. What a sampler or pruner stores with a trial (`memory`) is
handed back to it in later decisions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from warnings import catch_warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import PipelineError
from pipeline.core.seeds import derive_seed
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.registry import WHOLE, SamplingRequest
from pipeline.experiment.samplers.optuna import Random
from pipeline.experiment.space import SearchParameter

optuna.logging.set_verbosity(optuna.logging.WARNING)

MAX_SKIPPED, MAX_INSISTING = 256, 8  # draws of one slot that cost too much, and those that a sampler chooses


@dataclass(frozen=True)
class SampledParameters:
    """The sampled parameters of one slot. memory: what the sampler stored with them."""

    slot: int
    params: Configuration
    distributions: Mapping[str, BaseDistribution]
    memory: Mapping[str, Any] = field(default_factory=dict)


def sample_parameters(
    experiment: Experiment,
    slot: int,
    earlier: Iterable[FrozenTrial],
    running: Iterable[SampledParameters] = (),
    is_affordable: Callable[[Configuration], bool] = lambda config: True,
) -> SampledParameters:
    """Return the parameters of a slot that the sampler fills.

    earlier: finished trials to learn from; running: sampled parameters without a result, to keep away from. Raises
    PipelineError if it draws nothing that is affordable.
    """
    earlier, running = list(earlier), list(running)
    at_random = experiment.model_copy(update={"sampler": Random()})
    for skipped in range(MAX_SKIPPED):  # a sampler may insist on what it believes to be best, so then chance decides
        by_whom = experiment if skipped < MAX_INSISTING or not experiment.sampler.learns else at_random
        sampled = _draw(by_whom, slot, skipped, earlier, running)
        if is_affordable(experiment.configuration(sampled.params)):
            return sampled
    rule = f"the first {MAX_SKIPPED} draws of slot {slot} all cost more than `max_cost` allows"
    raise PipelineError(f"{experiment.name}: {rule}; raise it, or lower the largest depth, width or n_epochs")


def _draw(
    experiment: Experiment,
    slot: int,
    skipped: int,
    earlier: Sequence[FrozenTrial],
    running: Sequence[SampledParameters],
) -> SampledParameters:
    sampler, seed = experiment.sampler, experiment.seed
    request = SamplingRequest(
        fixed=experiment.fixed,
        space=experiment.space,
        index=slot - experiment.first_sampled,
        seed=derive_seed(seed, "sampler", slot, *([skipped] if skipped else [])),
        study_seed=derive_seed(seed, "sampler"),
        stratify=experiment.stratify,
        families=experiment.families,
        skipped=skipped,
    )
    if (family := sampler.family(request.index, request.families)) is not None:
        earlier = [t for t in earlier if experiment.configuration(t.params).get(experiment.stratify) == family]
        running = [s for s in running if experiment.configuration(s.params).get(experiment.stratify) == family]
    study = _study(experiment, slot, earlier, running=running) if sampler.learns else _study(experiment, slot, ())
    with catch_warnings(action="ignore", category=ExperimentalWarning):  # most of these features are years old
        study.sampler = sampler.make(request)
    trial = study.ask()
    sampled: Configuration = dict(experiment.fixed)
    for parameter in experiment.space:
        if parameter.active(sampled):
            sampled[parameter.key] = _suggest(trial, parameter)
    frozen = study.get_trials(deepcopy=False)[-1]
    return SampledParameters(slot, frozen.params, frozen.distributions, frozen.system_attrs)


def _suggest(trial: optuna.Trial, parameter: SearchParameter) -> Any:
    key, low, high, step = parameter.name, parameter.low, parameter.high, parameter.step
    if parameter.choices:
        return trial.suggest_categorical(key, parameter.choices)
    if parameter.integer:
        return trial.suggest_int(key, int(low), int(high), step=int(step or 1), log=parameter.log)
    return trial.suggest_float(key, low, high, step=step, log=parameter.log)


class TrialPruner:
    """Decides after each epoch of one running trial whether it is pruned."""

    def __init__(self, experiment: Experiment, slot: int, n_epochs: int, earlier: Iterable[FrozenTrial]) -> None:
        """earlier: finished trials to compare it with."""
        self.n_epochs = n_epochs
        self.memory: dict[str, Any] = {}
        with catch_warnings(action="ignore", category=ExperimentalWarning):
            self._pruner = experiment.pruner.make()
        self._study = _study(experiment, slot, earlier, n_epochs=n_epochs)
        self._study.add_trial(create_trial(state=TrialState.RUNNING))

    def stops(self, epoch: int, score: float) -> bool:
        """Return whether the trial is pruned after this epoch."""
        trial = self._study.get_trials(deepcopy=False)[-1]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, _step(epoch, self.n_epochs), score)
        stops = self._pruner.prune(self._study, self._study.get_trials(deepcopy=False)[-1])
        self.memory = dict(self._study.get_trials(deepcopy=False)[-1].system_attrs)
        return stops


def _study(
    experiment: Experiment,
    slot: int,
    earlier: Iterable[FrozenTrial],
    *,
    running: Iterable[SampledParameters] = (),
    n_epochs: int | None = None,
) -> optuna.Study:
    """Return a study in memory of the sampled trials before `slot`.

    n_epochs: epochs of the trial to compare with; the scores of the others are given at the same shares of theirs.
    """
    study = optuna.create_study(storage=InMemoryStorage(), study_name=experiment.name, direction="maximize")
    trials = {sampled.slot: running_trial(sampled) for sampled in running}
    for trial in earlier:
        has_score = 0 in trial.intermediate_values if experiment.fidelity else trial.state != TrialState.FAIL
        if has_score and trial.user_attrs["role"] == "search":
            light = at_first_rung(trial) if experiment.fidelity else _light(trial, n_epochs)
            trials[trial.user_attrs["slot"]] = light
    gap = _SharedTrial(TrialState.FAIL)  # the baseline, a variation or a failed trial: nothing to learn from
    for k in range(slot):  # study.add_trial would validate each trial again
        study._storage.create_new_trial(study._study_id, trials.get(k, gap))
    return study


def running_trial(sampled: SampledParameters, user_attrs: dict[str, Any] | None = None) -> FrozenTrial:
    """Return a trial that has just been sampled."""
    params, distributions = dict(sampled.params), dict(sampled.distributions)
    return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions, user_attrs=user_attrs)


def _step(epoch: int, n_epochs: int) -> int:
    """Return Optuna's step: the share of a trial's epochs, times `WHOLE`."""
    return round(WHOLE * epoch / n_epochs)


def _light(trial: FrozenTrial, n_epochs: int | None) -> FrozenTrial:
    """Return a finished trial as samplers and pruners see it."""
    attrs = {**trial.user_attrs.get("sampler", {}), **trial.user_attrs.get("pruner", {})}
    attrs |= {key: value for key, value in trial.system_attrs.items() if key.startswith("constraints")}
    own = trial.user_attrs["config"]["n_epochs"]
    n_epochs = n_epochs or own
    share = own / n_epochs
    values = {}
    for epoch in range(1, n_epochs + 1):
        if (value := trial.intermediate_values.get(max(1, round(epoch * share)))) is not None:
            values[_step(epoch, n_epochs)] = value
    return _SharedTrial(
        trial.state, value=trial.value, params=trial.params, distributions=trial.distributions,
        intermediate_values=values, system_attrs=attrs,
    )  # fmt: skip


def at_first_rung(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial as samplers see it: all by the score at the first rung, which all have reached."""
    return _SharedTrial(
        TrialState.COMPLETE, value=trial.intermediate_values[0], params=trial.params,
        distributions=trial.distributions, system_attrs=dict(trial.user_attrs.get("sampler", {})),
    )  # fmt: skip


class _SharedTrial(FrozenTrial):
    """A finished trial. Nothing changes it, so its deep copy is shallow; a real one would cost more than all else."""

    def __init__(self, state: TrialState, **content: Any) -> None:
        dicts = ("params", "distributions", "intermediate_values", "user_attrs", "system_attrs")
        empty: dict[str, Any] = {key: {} for key in dicts}
        ended = dict.fromkeys(("datetime_start", "datetime_complete"), datetime.min)  # no sampler or pruner reads them
        super().__init__(number=-1, trial_id=-1, state=state, **{"value": None, **empty, **ended, **content})

    def __deepcopy__(self, memo: object) -> "FrozenTrial":
        return copy(self)
