"""Studies in memory: what samplers and pruners see of a search."""

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
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.registry import WHOLE


@dataclass(frozen=True)
class SampledParameters:
    """The sampled parameters of one slot. memory: what the sampler stored with them."""

    slot: int
    params: Configuration
    distributions: Mapping[str, BaseDistribution]
    memory: Mapping[str, Any] = field(default_factory=dict)


def step_of(epoch: int, n_epochs: int) -> int:
    """Return Optuna's step: the share of a trial's epochs, times `WHOLE`."""
    return round(WHOLE * epoch / n_epochs)


def study_in_memory(
    experiment: Experiment,
    slot: int,
    earlier: Iterable[FrozenTrial],
    *,
    running: Iterable[SampledParameters] = (),
    n_epochs: int | None = None,
) -> optuna.Study:
    """Return a study of the sampled trials before `slot`, in which the number of a trial is its slot.

    n_epochs: epochs of the trial to compare with; the scores of the others are given at the same shares of theirs.
    """
    study = optuna.create_study(storage=InMemoryStorage(), study_name=experiment.name, direction="maximize")
    trials = {
        sampled.slot: create_trial(
            state=TrialState.RUNNING, params=dict(sampled.params), distributions=dict(sampled.distributions)
        )
        for sampled in running
    }
    for trial in earlier:
        if trial.state != TrialState.FAIL and trial.user_attrs["role"] == "search":
            trials[trial.user_attrs["slot"]] = _light(trial, n_epochs)
    gap = _shared(TrialState.FAIL)  # the baseline, a variation or a failed trial: nothing to learn from
    for k in range(slot):  # study.add_trial would validate each trial again
        study._storage.create_new_trial(study._study_id, trials.get(k, gap))
    return study


class _Shared(FrozenTrial):
    """A finished trial. Nothing changes it, so its deep copy is shallow; a real one would cost more than all else."""

    def __deepcopy__(self, memo: object) -> "FrozenTrial":
        return copy(self)


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
            values[step_of(epoch, n_epochs)] = value
    return _shared(
        trial.state, value=trial.value, params=trial.params, distributions=trial.distributions,
        intermediate_values=values, system_attrs=attrs,
    )  # fmt: skip


def _shared(state: TrialState, **content: Any) -> _Shared:
    empty: dict[str, dict[str, Any]] = {
        key: {} for key in ("params", "distributions", "intermediate_values", "user_attrs", "system_attrs")
    }
    ended = dict.fromkeys(("datetime_start", "datetime_complete"), datetime.min)  # no sampler or pruner reads them
    return _Shared(number=-1, trial_id=-1, state=state, **{"value": None, **empty, **ended, **content})


@contextmanager
def quietly() -> Iterator[None]:
    """Silence the warnings about experimental features of Optuna, most of them years old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
