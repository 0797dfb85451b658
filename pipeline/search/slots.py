"""The slots of a search: which are open, what each is to train, and when failing trials stop the search."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile

import optuna
from optuna.trial import TrialState

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import PipelineError
from pipeline.execution.retry import SEARCH
from pipeline.experiment.experiment import Experiment
from pipeline.search.cost_limit import IsAffordable
from pipeline.search.sampling import SampledParameters, TrialPruner, sample_parameters
from pipeline.search.trials import EndedTrial, ended_trials

REOPENED = "reopened"  # attribute of a study: numbers of failed trials whose slots are trained again
MAX_EQUAL_FAILURES = 5  # in a row


@dataclass(frozen=True)
class Proposal:
    """What a slot is to train."""

    slot: int
    role: str
    config: Configuration
    sampled: SampledParameters
    pruner: TrialPruner | None  # None: trained to the end, or as far as the rungs decide


class Slots:
    """The ledger of a search.

    reproducible: decide in batches of `experiment.parallel` slots, each from the results of the batches before.
    Otherwise a free worker takes the next slot at once, and decisions depend on which trial was faster.
    """

    def __init__(
        self, study: optuna.Study, experiment: Experiment, is_affordable: IsAffordable, *, reproducible: bool
    ) -> None:
        self.study, self.experiment, self.reproducible = study, experiment, reproducible
        self._is_affordable = is_affordable
        fidelity = experiment.fidelity
        self._n_first_seeds = fidelity.rungs[0].seeds if fidelity else 1
        # with rungs, no pruner compares trials, so draws that depend on no other trial need no batches
        self._n_at_once = (
            min(experiment.first_sampled + experiment.n_independent, experiment.n_slots) if fidelity else 0
        )
        self.ended = ended_trials(study)
        self._pending: dict[int, SampledParameters] = {}  # whose results the sampler may not see yet

    def open(self) -> list[int]:
        """Return the slots that are still to be trained, or trained again after a worker's death.

        With rungs, those that have not finished the first one.
        """
        filled, deaths = set(), defaultdict[int, list[int]](list)
        reopened = self.reopened()
        for trial in self.ended:
            if trial.number in reopened:
                continue
            if trial.state == "open":
                if all(trial.at(0, k) for k in range(self._n_first_seeds)):
                    filled.add(trial.slot)
            elif trial.died:
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
        first, n = int(self._n_at_once), self.experiment.parallel
        start = first + (open_slots[0] - first) // n * n
        batch = range(start, start + n) if open_slots[0] >= first else range(first)
        for trial in self.study.get_trials(deepcopy=False):
            slot = trial.user_attrs["slot"]
            if slot in batch and trial.user_attrs["role"] == "search":
                self._pending[slot] = SampledParameters(slot, trial.params, trial.distributions)
        return [slot for slot in open_slots if slot in batch]

    def propose(self, slot: int) -> Proposal:
        """Return a given configuration, or what the sampler draws; an interrupted slot keeps its parameters."""
        experiment = self.experiment
        if given := experiment.given(slot):
            return Proposal(slot, *given, sampled=SampledParameters(slot, {}, {}), pruner=None)
        earlier = [
            trial
            for trial in self.study.get_trials(deepcopy=False)
            if trial.user_attrs["slot"] < slot and trial.user_attrs["slot"] not in self._pending
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
            or (experiment.fidelity and trial.intermediate_values)
        ]
        running = [sampled for sampled in self._pending.values() if sampled.slot < slot]
        sampled = self._sampled_before(slot) or sample_parameters(
            experiment, slot, earlier, running, self._is_affordable
        )
        self._pending[slot] = sampled
        config = experiment.configuration(sampled.params)
        pruner = None if experiment.fidelity else TrialPruner(experiment, slot, int(config["n_epochs"]), earlier)
        return Proposal(slot, "search", config, sampled, pruner)

    def closed(self, trial: EndedTrial) -> None:
        """Add a trial that has ended, or finished a rung; the sampler learns from it at once, or from a whole batch."""
        self.ended = [other for other in self.ended if other.number != trial.number] + [trial]
        has_score = trial.state != "open" or trial.has_ended(0, self._n_first_seeds)
        if not self.reproducible and has_score:
            self._pending.pop(trial.slot, None)

    def reopened(self) -> list[int]:
        """Return the numbers of failed trials whose slots are open again."""
        numbers: list[int] = self.study.user_attrs.get(REOPENED, [])
        return numbers

    def _sampled_before(self, slot: int) -> SampledParameters | None:
        """Return what an interrupted or dead trial of the slot was given."""
        for trial in reversed(self.study.get_trials(deepcopy=False)):
            if trial.user_attrs["slot"] == slot:
                return SampledParameters(slot, trial.params, trial.distributions, trial.user_attrs["sampler"])
        return None


class FailurePolicy:
    """Stops the search after MAX_EQUAL_FAILURES trials in a row that failed for one cause: the experiment is at fault.

    Deaths of workers are left out: they have the retry policy of their own.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._closed: list[EndedTrial] = []
        for trial in sorted(slots.ended, key=lambda trial: trial.ended_ms):
            self.add(trial)

    def add(self, trial: EndedTrial) -> None:
        """Count a trial that was closed just now."""
        if trial.rungs and (
            trial.diverged or trial.lost
        ):  # one of many lr that are searched, or the machine is at fault
            return
        if trial.state not in ("interrupted", "open") and not trial.died and trial.number not in self.slots.reopened():
            self._closed.append(trial)

    def check(self) -> None:
        """Raise PipelineError if the last trials all failed for one cause."""
        last = self._closed[-1].reason if self._closed else ""
        n = sum(1 for _ in takewhile(lambda trial: trial.reason == last, reversed(self._closed))) if last else 0
        if n >= MAX_EQUAL_FAILURES:
            raise self.give_up(f"{n} trials in a row failed", last=n)

    def give_up(self, what: str, last: int | None = None) -> PipelineError:
        """Open the slots of failed trials (among the `last` ones) for the next start; return the error to raise."""
        failed = [trial for trial in self._closed[-last if last else None :] if trial.reason]
        self.slots.study.set_user_attr(REOPENED, [*self.slots.reopened(), *(trial.number for trial in failed)])
        cause = f": {failed[-1].reason}" if failed else ""
        if not failed and any(trial.rungs for trial in self.slots.ended):
            return PipelineError(
                f"{what}{cause}; every configuration diverged or lost its workers: lower the range of lr"
            )
        return PipelineError(f"{what}{cause}; fix the cause and rerun; failed trials are retrained")
