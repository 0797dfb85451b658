"""What sampler and pruner decide: a function of the experiment, the slot and the trials they may look at.

They look at a study in memory in which the number of a trial is its slot. So a decision depends neither on which of
two trials was faster nor on where a search was stopped, and whatever Optuna's samplers and pruners note with a trial
(`memory`) is handed back to them.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import qmc

from pipeline.config import Flat
from pipeline.seeds import derive_seed
from pipeline.space import Experiment, Leaf
from pipeline.strategies import (
    CmaEs,
    Gp,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Patience,
    Qmc,
    Random,
    SuccessiveHalving,
    Tpe,
)

# Optuna's steps are whole numbers: here shares of a trial's epochs, so that schedules of different length are
# compared where they have come equally far.
WHOLE = 10_000

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Draw:
    """The drawn leaves of one slot; memory: what the sampler noted with them."""

    slot: int
    params: Flat
    distributions: Mapping[str, BaseDistribution]
    memory: Mapping[str, Any] = field(default_factory=dict)


def draw(experiment: Experiment, slot: int, earlier: Iterable[FrozenTrial], running: Iterable[Draw] = ()) -> Draw:
    """earlier: finished trials that the sampler may learn from; running: drawn and not told yet, to keep away from."""
    if isinstance(experiment.sampler, Grid | Qmc):
        index = slot - experiment.first_draw
        params = experiment.combinations[index] if isinstance(experiment.sampler, Grid) else _even(experiment, index)
        leaves = {leaf.key: leaf for leaf in experiment.space}
        return Draw(slot, params, {key: _distribution(leaves[key]) for key in params})
    blind = isinstance(experiment.sampler, Random)
    study = _study(experiment, slot, () if blind else earlier, () if blind else running)
    study.sampler = _sampler(experiment, slot)
    trial = study.ask()
    drawn: Flat = dict(experiment.fixed)
    for leaf in experiment.space:
        if leaf.active(drawn):
            drawn[leaf.key] = _suggest(trial, leaf)
    frozen = study.get_trials(deepcopy=False)[-1]
    return Draw(slot, frozen.params, frozen.distributions, frozen.system_attrs)


def _even(experiment: Experiment, index: int) -> Flat:
    settings, space = experiment.sampler, experiment.space
    assert isinstance(settings, Qmc)
    engines: dict[str, type[qmc.QMCEngine]] = {"sobol": qmc.Sobol, "halton": qmc.Halton}
    engine = engines[settings.sequence](len(space), rng=derive_seed(experiment.seed, "sampler"))
    if index:
        engine.fast_forward(index)
    drawn: Flat = dict(experiment.fixed)
    params: Flat = {}
    for leaf, u in zip(space, engine.random(1)[0], strict=True):
        if leaf.active(drawn):
            drawn[leaf.key] = params[leaf.key] = leaf.at(float(u))
    return params


class Judge:
    """Says of one running trial after each epoch whether it goes on."""

    def __init__(self, experiment: Experiment, slot: int, n_epochs: int, earlier: Iterable[FrozenTrial]) -> None:
        """earlier: finished trials that it is compared with."""
        self.experiment, self.n_epochs = experiment, n_epochs
        self.memory: dict[str, Any] = {}
        if isinstance(experiment.pruner, NoPruner):
            return
        self._pruner = _pruner(experiment)
        alone = isinstance(experiment.pruner, Patience)
        self._study = _study(experiment, slot, () if alone else earlier, n_epochs=n_epochs)
        self._study.add_trial(create_trial(state=TrialState.RUNNING))

    def stops(self, epoch: int, score: float) -> bool:
        settings = self.experiment.pruner
        if isinstance(settings, NoPruner):
            return False
        step = _step(epoch, self.n_epochs)
        trial = self._study.get_trials(deepcopy=False)[-1]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, step, score)
        if isinstance(settings, Median) and step <= settings.warmup * WHOLE:
            return False
        trial = self._study.get_trials(deepcopy=False)[-1]
        stops = self._pruner.prune(self._study, trial)
        self.memory = dict(self._study.get_trials(deepcopy=False)[-1].system_attrs)
        return stops


def _step(epoch: int, n_epochs: int) -> int:
    return round(WHOLE * epoch / n_epochs)


def _study(
    experiment: Experiment,
    slot: int,
    earlier: Iterable[FrozenTrial],
    running: Iterable[Draw] = (),
    n_epochs: int | None = None,
) -> optuna.Study:
    """The draws before `slot` in memory; n_epochs: with their scores at the shares of so many epochs."""
    study = optuna.create_study(storage=InMemoryStorage(), study_name=experiment.name, direction="maximize")
    found = {d.slot: create_trial(state=TrialState.RUNNING, params=dict(d.params), distributions=dict(d.distributions))
             for d in running}  # fmt: skip
    for trial in earlier:
        if trial.state != TrialState.FAIL and trial.user_attrs["role"] == "search":
            found[trial.user_attrs["slot"]] = _light(trial, n_epochs)
    gap = _shared(TrialState.FAIL)  # the baseline, a variation or a failed trial: no draw to learn from
    for k in range(slot):  # as study.add_trial does, which checks each trial again
        study._storage.create_new_trial(study._study_id, found.get(k, gap))
    return study


class _Shared(FrozenTrial):
    """Not copied in depth by Optuna's storage, which would cost more than all else; nobody changes a finished trial."""

    def __deepcopy__(self, memo: object) -> "FrozenTrial":
        return copy(self)


def _light(trial: FrozenTrial, n_epochs: int | None) -> FrozenTrial:
    """A finished trial as sampler and pruner see it."""
    attrs = {**trial.user_attrs.get("sampler", {}), **trial.user_attrs.get("pruner", {})}
    attrs |= {key: value for key, value in trial.system_attrs.items() if key.startswith("constraints")}
    values = {}
    if n_epochs:
        share = trial.user_attrs["config"]["n_epochs"] / n_epochs
        for epoch in range(1, n_epochs + 1):
            if (value := trial.intermediate_values.get(max(1, round(epoch * share)))) is not None:
                values[_step(epoch, n_epochs)] = value
    else:
        own = trial.user_attrs["config"]["n_epochs"]
        values = {_step(epoch, own): value for epoch, value in trial.intermediate_values.items()}
    return _shared(
        trial.state, value=trial.value, params=trial.params, distributions=trial.distributions,
        intermediate_values=values, system_attrs=attrs,
    )  # fmt: skip


def _shared(state: TrialState, **content: Any) -> _Shared:
    empty: dict[str, dict[str, Any]] = {
        key: {} for key in ("params", "distributions", "intermediate_values", "user_attrs", "system_attrs")
    }
    ended = dict.fromkeys(("datetime_start", "datetime_complete"), datetime.min)  # nobody asks when
    return _Shared(number=-1, trial_id=-1, state=state, **{"value": None, **empty, **ended, **content})


def _distribution(leaf: Leaf) -> BaseDistribution:
    if leaf.choices:
        return CategoricalDistribution(leaf.choices)
    if leaf.integer:
        return IntDistribution(int(leaf.low), int(leaf.high), leaf.log, int(leaf.step or 1))
    return FloatDistribution(leaf.low, leaf.high, leaf.log, leaf.step)


def _suggest(trial: optuna.Trial, leaf: Leaf) -> Any:
    if leaf.choices:
        return trial.suggest_categorical(leaf.key, leaf.choices)
    if leaf.integer:
        return trial.suggest_int(leaf.key, int(leaf.low), int(leaf.high), step=int(leaf.step or 1), log=leaf.log)
    return trial.suggest_float(leaf.key, leaf.low, leaf.high, step=leaf.step, log=leaf.log)


@contextmanager
def _quietly() -> Iterator[None]:
    """Some of what is used here is called experimental since years."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _sampler(experiment: Experiment, slot: int) -> BaseSampler:
    settings, seed = experiment.sampler, derive_seed(experiment.seed, "sampler", slot)
    with _quietly():
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


def _pruner(experiment: Experiment) -> BasePruner:
    settings = experiment.pruner
    match settings:
        case Median():
            return MedianPruner(settings.startup_trials)
        case Patience():
            with _quietly():
                return PatientPruner(None, settings.epochs, settings.min_delta)
        case Hyperband():
            return HyperbandPruner(round(settings.first_rung * WHOLE), WHOLE, settings.reduction_factor)
        case SuccessiveHalving():
            return SuccessiveHalvingPruner(round(settings.first_rung * WHOLE), settings.reduction_factor)
        case NoPruner():
            return NopPruner()
