"""What a configuration can name, and the modules that hold it."""

from collections.abc import Mapping

from pipeline.models.registry import registry as families
from pipeline.training.optimizers import registry as optimizers
from pipeline.training.schedules import registry as schedules


def module_of_value() -> dict[str, Mapping[str, str]]:
    """Return key of a configuration -> value -> module that registers it. model: without its variant."""
    makers: dict[str, Mapping[str, object]] = {
        "model": {name: spec.build for name, spec in families().items()},
        "optimizer": optimizers(),
        "schedule": schedules(),
    }
    return {key: {name: make.__module__ for name, make in of.items()} for key, of in makers.items()}
