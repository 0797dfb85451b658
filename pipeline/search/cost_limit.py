"""The limit on what one configuration may cost, so that the retraining of a winner remains payable."""

from collections.abc import Callable

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.experiment.experiment import Experiment
from pipeline.training.cost import estimate_training_s
from pipeline.training.network import image_shapes

IsAffordable = Callable[[Configuration], bool]


def limit_of_cost(experiment: Experiment, samples: Samples) -> IsAffordable:
    """Return the function that says whether a configuration may be drawn: see `max_cost` of an experiment file.

    A grid is always tried as a whole.
    """
    if experiment.max_cost is None or experiment.sampler.exhaustive:
        return lambda config: True
    known = [experiment.baseline, *experiment.references.values(), *experiment.enqueued]
    shapes, in_train = image_shapes(samples), samples.table["part"] == "train"
    per_unit = samples.table[in_train].groupby("group").size()

    def seconds(config: Configuration) -> float:
        n_drawn = per_unit.clip(upper=int(config.get("images_per_unit") or per_unit.max())).sum()
        return estimate_training_s(config, shapes, int(n_drawn))

    most = experiment.max_cost * max(map(seconds, known))
    return lambda config: seconds(config) <= most
