"""The code that decides the results of one study; families, optimizers and samplers that it does not name do not."""

from collections.abc import Iterator

from pipeline.core.code_digest import code_digest
from pipeline.core.yaml_document import Scalar
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.registry import pruners, samplers
from pipeline.training.config import Training
from pipeline.training.registered import module_of_value

DECIDES_RESULTS = ("pipeline.execution.job", "pipeline.search.sampling", "pipeline.search.cost_limit")


def study_code(experiment: Experiment) -> str:
    """Return the digest of the code of a study, which an edit of a family that it does not name leaves as it is."""
    return code_digest(*DECIDES_RESULTS, unused=unused_modules(experiment))


def unused_modules(experiment: Experiment) -> set[str]:
    """Return the modules of what is registered, and named by no value of the experiment."""
    every, used = set(), {type(experiment.sampler).__module__, type(experiment.pruner).__module__}
    for key, modules in module_of_value().items():
        values = {str(value).partition(":")[0] for value in _values(experiment, key)}
        every |= set(modules.values())
        used |= {module for name, module in modules.items() if name in values}
    every |= {kind.__module__ for kind in (*samplers().values(), *pruners().values())}
    return every - used


def _values(experiment: Experiment, key: str) -> Iterator[Scalar]:
    """Yield the values that a key can have in this experiment."""
    yield Training.model_fields[key].default
    given = [experiment.fixed, experiment.baseline, *experiment.references.values(), *experiment.enqueued]
    yield from (config[key] for config in given if key in config)
    yield from (value for name, value in experiment.variations if name == key)
    for parameter in experiment.space:
        if parameter.key == key:
            yield from parameter.choices or ()
