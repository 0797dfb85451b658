"""A training configuration as flat keys and values, which is sampled, logged and stored, and what was searched of it.

Apart from the results of a search, so that their code decides no trial.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from pipeline.artifacts.json_file import JsonPart
from pipeline.core.yaml_document import Scalar

Configuration = dict[str, Scalar]  # fields of Training, and `<model>.<option>` for the options of a model


def own_options(configuration: Mapping[str, Scalar]) -> Configuration:
    """Return the configuration without options of models other than its own."""
    family = str(configuration.get("model")).partition(":")[0]
    return {key: value for key, value in configuration.items() if "." not in key or key.partition(".")[0] == family}


def split_flat(configuration: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Separate the fields of Training from the options of models; return the latter by model family."""
    training = {key: value for key, value in configuration.items() if "." not in key}
    options: dict[str, dict[str, Any]] = {}
    for key, value in configuration.items():
        family, dot, option = key.partition(".")
        if dot:
            options.setdefault(family, {})[option] = value
    return training, options


class SpaceEntry(JsonPart):
    """One searched parameter: `choices`, or a range from low to high, both included."""

    key: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    when: dict[str, tuple[Scalar, ...]] = Field({})  # key -> values under which it is sampled
    case: str = ""  # label of an entry whose key has several, each under other conditions

    @property
    def name(self) -> str:
        """Return the key, with the case where there are several."""
        return f"{self.key}[{self.case}]" if self.case else self.key
