"""What was searched, as files record it; apart from the results, so that their code decides no trial."""

from pydantic import Field

from pipeline.artifacts.json_file import JsonPart
from pipeline.core.yaml_document import Scalar


class SpaceEntry(JsonPart):
    """One searched parameter: `choices`, or a range from low to high, both included."""

    key: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    when: dict[str, tuple[Scalar, ...]] = Field({})
    """key -> values under which it is sampled"""
