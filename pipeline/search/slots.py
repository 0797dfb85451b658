"""The slots of a search: which are open, and what was sampled for those whose results the sampler may not see yet."""

from collections import defaultdict
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.execution.retry import SEARCH
from pipeline.experiment.experiment import Experiment
from pipeline.search.optuna_study import SampledParameters
from pipeline.search.sampling import sample_parameters
from pipeline.search.trial_pruner import TrialPruner
from pipeline.search.trials import EndedTrial, ended_trials

REOPENED = "reopened"  # attribute of a study: numbers of failed trials whose slots are trained again


@dataclass(frozen=True)
class Proposal:
    """What a slot is to train."""

    slot: int
    role: str
    config: Configuration
    sampled: SampledParameters
    pruner: TrialPruner | None  # the baseline and its variations always train to their end


class Slots:
    """The ledger of a search.

    reproducible: decide in batches of `experiment.parallel` slots, each from the results of the batches before.
    Otherwise a free worker takes the next slot at once, and decisions depend on which trial was faster.
    """

    def __init__(self, study: optuna.Study, experiment: Experiment, *, reproducible: bool) -> None:
        self.study, self.experiment, self.reproducible = study, experiment, reproducible
        self.ended = ended_trials(study)
        self._pending: dict[int, SampledParameters] = {}

    def open(self) -> list[int]:
        """Return the slots that are still to be trained, or trained again after a worker's death."""
        filled, deaths = set(), defaultdict[int, list[int]](list)
        reopened = self.reopened()
        for trial in self.ended:
            if trial.number in reopened:
                continue
            if trial.died:
                deaths[trial.slot].append(len(trial.epochs))
            elif trial.state != "interrupted":
                filled.add(trial.slot)
        filled |= {slot for slot, epochs in deaths.items() if not SEARCH.retries(epochs)}
        return [slot for slot in range(self.experiment.n_slots) if slot not in filled]

    def next_batch(self, open_slots: list[int]) -> list[int]:
        """Return the slots to train before the sampler learns again; batches do not depend on interruptions."""
        self._pending = {}
        if not self.reproducible:
            return open_slots
        n = self.experiment.parallel
        start = open_slots[0] - open_slots[0] % n
        batch = range(start, start + n)
        for trial in self.study.get_trials(deepcopy=False):
            slot = trial.user_attrs["slot"]
            if slot in batch and trial.user_attrs["role"] == "search":
                self._pending[slot] = SampledParameters(slot, trial.params, trial.distributions)
        return [slot for slot in open_slots if slot in batch]

    def propose(self, slot: int) -> Proposal:
        """Return the baseline, a variation, or what the sampler draws; an interrupted slot keeps its parameters."""
        experiment, given = self.experiment, self.experiment.given(slot)
        if given:
            return Proposal(slot, *given, sampled=SampledParameters(slot, {}, {}), pruner=None)
        earlier = [
            trial
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
            if trial.user_attrs["slot"] < slot and trial.user_attrs["slot"] not in self._pending
        ]
        running = [sampled for sampled in self._pending.values() if sampled.slot < slot]
        sampled = self._sampled_before(slot) or sample_parameters(experiment, slot, earlier, running)
        self._pending[slot] = sampled
        config = own_options({**experiment.fixed, **sampled.params})
        pruner = TrialPruner(experiment, slot, int(config["n_epochs"]), earlier)
        return Proposal(slot, "search", config, sampled, pruner)

    def closed(self, trial: EndedTrial) -> None:
        """Add a trial that has ended; the sampler learns from it at once, or in batches with the others."""
        self.ended.append(trial)
        if not self.reproducible:
            self._pending.pop(trial.slot, None)

    def reopened(self) -> list[int]:
        """Return the numbers of failed trials whose slots are open again."""
        numbers: list[int] = self.study.user_attrs.get(REOPENED, [])
        return numbers

    def reopen(self, numbers: list[int]) -> None:
        """Open the slots of failed trials again, for the next start."""
        self.study.set_user_attr(REOPENED, [*self.reopened(), *numbers])

    def _sampled_before(self, slot: int) -> SampledParameters | None:
        """Return what an interrupted or dead trial of the slot was given."""
        trials: list[FrozenTrial] = self.study.get_trials(deepcopy=False)
        for trial in reversed(trials):
            if trial.user_attrs["slot"] == slot:
                return SampledParameters(slot, trial.params, trial.distributions, trial.user_attrs["sampler"])
        return None
