"""TODO search.optuna_study."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.artifacts.configuration import Configuration
from pipeline.experiment.space import Experiment

# Optuna's steps are whole numbers: here shares of a trial's epochs, so that schedules of different length are
# compared where they have come equally far.
WHOLE = 10_000


@dataclass(frozen=True)
class SampledParameters:
    """The drawn leaves of one slot; memory: what the sampler noted with them."""

    slot: int
    params: Configuration
    distributions: Mapping[str, BaseDistribution]
    memory: Mapping[str, Any] = field(default_factory=dict)


def step_of(epoch: int, n_epochs: int) -> int:
    return round(WHOLE * epoch / n_epochs)


def study_in_memory(
    experiment: Experiment,
    slot: int,
    earlier: Iterable[FrozenTrial],
    running: Iterable[SampledParameters] = (),
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
                values[step_of(epoch, n_epochs)] = value
    else:
        own = trial.user_attrs["config"]["n_epochs"]
        values = {step_of(epoch, own): value for epoch, value in trial.intermediate_values.items()}
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


@contextmanager
def quietly() -> Iterator[None]:
    """Some of what is used here is called experimental since years."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
