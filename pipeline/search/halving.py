"""Successive halving: which trials reach which rung, and what is to be trained there.

A pure function of the scores stored so far, so that an interrupted search decides as an uninterrupted one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.execution.progress import Tally
from pipeline.experiment.experiment import Experiment
from pipeline.search.trials import EndedTrial

COMPETING = ("search", "enqueued")
ON_RUNGS = (*COMPETING, "reference")  # the others are trained once, in full


@dataclass(frozen=True)
class Task:
    """One training: of a slot as a whole, or at a rung under one of its seeds."""

    slot: int
    rung: int | None = None
    repeat: int = 0


class Halving:
    """The rungs of an experiment with `fidelity`."""

    def __init__(self, experiment: Experiment) -> None:
        assert experiment.fidelity
        self._experiment = experiment
        self.rungs, self._stratify = experiment.fidelity.rungs, experiment.fidelity.stratify

    def reaching(self, trials: Iterable[EndedTrial], rung: int) -> list[EndedTrial]:
        """Return the trials that are to be trained at a rung, by slot.

        All reach the first; then the best of each family by the mean score at the rung before, ties by slot, and every
        reference. One that failed at this rung gives its place to the next best: no family is lost to one bad seed.
        """
        present = sorted((trial for trial in trials if trial.role in ON_RUNGS), key=lambda trial: trial.slot)
        if rung == 0:
            return present
        before = [trial for trial in self.reaching(present, rung - 1) if trial.mean_score(rung - 1) is not None]
        families: defaultdict[object, list[EndedTrial]] = defaultdict(list)
        for trial in before:
            if trial.role in COMPETING and not trial.failed_at(rung, self.rungs[rung].seeds):
                families[trial.config[self._stratify]].append(trial)
        chosen = {trial.number for trial in before if trial.role == "reference"}
        for family in families.values():
            best_first = sorted(family, key=lambda trial: _order(trial, rung - 1), reverse=True)
            chosen |= {trial.number for trial in best_first[: self.rungs[rung].best]}
        return [trial for trial in before if trial.number in chosen]

    def tasks(self, trials: Iterable[EndedTrial], rung: int) -> list[Task]:
        """Return what remains to be trained at a rung, by slot and seed."""
        open_trials = [trial for trial in self.reaching(trials, rung) if trial.state == "open"]
        seeds = range(self.rungs[rung].seeds)
        return [Task(trial.slot, rung, k) for trial in open_trials for k in seeds if not trial.at(rung, k)]

    def first_tasks(self, slots: Iterable[int], trials: Iterable[EndedTrial]) -> list[Task]:
        """Return what remains to be trained for open slots: once in full, or at the first rung under each seed."""
        tasks = []
        known = {trial.slot: trial for trial in trials if trial.state == "open"}
        for slot in slots:
            given = self._experiment.given(slot)
            if given and given[0] not in ON_RUNGS:
                tasks.append(Task(slot))
                continue
            trial = known.get(slot)
            tasks += [Task(slot, 0, k) for k in range(self.rungs[0].seeds) if not (trial and trial.at(0, k))]
        return tasks

    def tally(self, trials: Iterable[EndedTrial]) -> Tally:
        """Return how many trainings a search plans, and how many have ended."""
        experiment = self._experiment
        given = [experiment.given(slot) for slot in range(experiment.first_sampled)]
        n_in_full = sum(each is not None and each[0] not in ON_RUNGS for each in given)
        n_families, n_references = len(experiment.families), len(experiment.references)
        later = sum((n_families * (rung.best or 0) + n_references) * rung.seeds for rung in self.rungs[1:])
        planned = n_in_full + (experiment.n_slots - n_in_full) * self.rungs[0].seeds + later
        ended: Counter[str] = Counter()
        for trial in trials:
            ended.update("failed" if each.score is None else f"at rung {each.rung}" for each in trial.rungs)
            if not trial.rungs and trial.state != "open":
                ended[trial.state] += 1
        return Tally(planned, ended.total() - ended["interrupted"], ended)


def _order(trial: EndedTrial, rung: int) -> tuple[float, float, int]:
    score = trial.mean_score(rung)
    return -trial.violation_at(rung), -np.inf if score is None else score, -trial.slot
