"""TODO artifacts.configuration."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.yaml_document import Scalar

Configuration = dict[str, Scalar]  # a configuration as `key: value`; what is drawn, logged and stored


def own_options(flat: Mapping[str, Scalar]) -> Configuration:
    """The configuration without options of models other than its own."""
    family = str(flat.get("model")).partition(":")[0]
    return {key: value for key, value in flat.items() if "." not in key or key.partition(".")[0] == family}


def split_flat(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Separates the leaves of Training from the model options, the latter by model family."""
    training = {key: value for key, value in flat.items() if "." not in key}
    options: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        family, dot, option = key.partition(".")
        if dot:
            options.setdefault(family, {})[option] = value
    return training, options
