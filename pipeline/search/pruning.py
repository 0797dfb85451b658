"""TODO search.pruning."""

from collections.abc import Iterable
from typing import Any

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.experiment.pruners import Hyperband, Median, NoPruner, PatiencePruner, SuccessiveHalving
from pipeline.experiment.space import Experiment
from pipeline.search.optuna_study import WHOLE, quietly, step_of, study_in_memory


class TrialPruner:
    """Says of one running trial after each epoch whether it goes on."""

    def __init__(self, experiment: Experiment, slot: int, n_epochs: int, earlier: Iterable[FrozenTrial]) -> None:
        """earlier: finished trials that it is compared with."""
        self.experiment, self.n_epochs = experiment, n_epochs
        self.memory: dict[str, Any] = {}
        if isinstance(experiment.pruner, NoPruner):
            return
        self._pruner = _pruner(experiment)
        alone = isinstance(experiment.pruner, PatiencePruner)
        self._study = study_in_memory(experiment, slot, () if alone else earlier, n_epochs=n_epochs)
        self._study.add_trial(create_trial(state=TrialState.RUNNING))

    def stops(self, epoch: int, score: float) -> bool:
        settings = self.experiment.pruner
        if isinstance(settings, NoPruner):
            return False
        step = step_of(epoch, self.n_epochs)
        trial = self._study.get_trials(deepcopy=False)[-1]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, step, score)
        if isinstance(settings, Median) and step <= settings.warmup * WHOLE:
            return False
        trial = self._study.get_trials(deepcopy=False)[-1]
        stops = self._pruner.prune(self._study, trial)
        self.memory = dict(self._study.get_trials(deepcopy=False)[-1].system_attrs)
        return stops


def _pruner(experiment: Experiment) -> BasePruner:
    settings = experiment.pruner
    match settings:
        case Median():
            return MedianPruner(settings.startup_trials)
        case PatiencePruner():
            with quietly():
                return PatientPruner(None, settings.epochs, settings.min_delta)
        case Hyperband():
            return HyperbandPruner(round(settings.first_rung * WHOLE), WHOLE, settings.reduction_factor)
        case SuccessiveHalving():
            return SuccessiveHalvingPruner(round(settings.first_rung * WHOLE), settings.reduction_factor)
        case NoPruner():
            return NopPruner()
