"""Prune a running trial: a function of its scores, the experiment, the slot, and the trials it is compared with.

The pruner sees a study in memory in which the number of a trial is its slot. What it stores with the trial (`memory`)
is handed back to it in later decisions.
"""

from collections.abc import Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.experiment.experiment import Experiment
from pipeline.search.optuna_study import quietly, step_of, study_in_memory


class TrialPruner:
    """Decides after each epoch of one running trial whether it is pruned."""

    def __init__(self, experiment: Experiment, slot: int, n_epochs: int, earlier: Iterable[FrozenTrial]) -> None:
        """earlier: finished trials to compare it with."""
        self.n_epochs = n_epochs
        self.memory: dict[str, Any] = {}
        with quietly():
            self._pruner = experiment.pruner.make()
        self._study = study_in_memory(experiment, slot, earlier, n_epochs=n_epochs)
        self._study.add_trial(create_trial(state=TrialState.RUNNING))

    def stops(self, epoch: int, score: float) -> bool:
        """Return whether the trial is pruned after this epoch."""
        trial = self._study.get_trials(deepcopy=False)[-1]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, step_of(epoch, self.n_epochs), score)
        trial = self._study.get_trials(deepcopy=False)[-1]
        stops = self._pruner.prune(self._study, trial)
        self.memory = dict(self._study.get_trials(deepcopy=False)[-1].system_attrs)
        return stops
