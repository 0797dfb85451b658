"""The limit on what one configuration may cost, so that the retraining of a winner remains payable."""

from collections.abc import Callable

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.experiment.experiment import Experiment
from pipeline.training.cost import estimate_training_s

IsAffordable = Callable[[Configuration], bool]


def limit_of_cost(experiment: Experiment, samples: Samples) -> IsAffordable:
    """Return the function that says whether a configuration may be drawn: see `max_cost` of an experiment file.

    A grid is always tried as a whole.
    """
    if experiment.max_cost is None or experiment.sampler.exhaustive:
        return lambda config: True
    known = [experiment.baseline, *experiment.references.values(), *experiment.enqueued]
    most = experiment.max_cost * max(estimate_training_s(config, samples) for config in known)
    return lambda config: estimate_training_s(config, samples) <= most
