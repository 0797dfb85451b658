"""The JSON schema of an experiment file, for editors; made from the same fields that check the file."""

from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from pipeline.experiment.experiment import Bound
from pipeline.experiment.file import BOUNDED, ExperimentFile
from pipeline.experiment.registry import pruners, samplers
from pipeline.experiment.search_parameters import Range
from pipeline.models.registry import registry
from pipeline.training.config import Training

# pydantic's own names for bounds that stand behind a validator
STANDARD = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def experiment_schema() -> dict[str, Any]:
    """Draft 2020-12. What stands in several sections is defined once, each leaf by its name."""
    leaves = {name: _leaf(info) for name, info in Training.model_fields.items()}
    for family, spec in registry().items():
        leaves |= {f"{family}.{name}": _leaf(info) for name, info in spec.options.model_fields.items()}
    settings = {name: {"$ref": f"#/$defs/{name}"} for name in leaves}
    tried = {name: {"type": "array", "items": leaf} for name, leaf in settings.items()}
    drawn = {name: {"anyOf": [choices, {"$ref": "#/$defs/range"}]} for name, choices in tried.items()}
    schema = ExperimentFile.model_json_schema()
    schema["properties"] |= {
        "sampler": {"oneOf": [kind.model_json_schema() | {"required": ["name"]} for kind in samplers().values()]},
        "pruner": {"oneOf": [kind.model_json_schema() | {"required": ["name"]} for kind in pruners().values()]},
        "constraints": _only(dict.fromkeys(BOUNDED, Bound.model_json_schema())),
        "fixed": _only(settings),
        "baseline": _only(settings),
        "one_at_a_time": _only(tried),
        "space": _only(drawn),
    }
    found: dict[str, Any] = _standard({**schema, "$defs": {**leaves, "range": Range.model_json_schema()}})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "An experiment", **found}


def _only(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _leaf(info: FieldInfo) -> dict[str, Any]:
    annotation: Any = info.annotation
    adapter = TypeAdapter[Any](Annotated[annotation, *info.metadata] if info.metadata else annotation)
    return adapter.json_schema() | ({"description": info.description} if info.description else {})


def _standard(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {STANDARD.get(key, key): _standard(value) for key, value in schema.items()}
    return [_standard(value) for value in schema] if isinstance(schema, list) else schema
