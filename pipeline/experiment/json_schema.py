"""The JSON schema of an experiment file, for editors; made from the fields that check the file."""

from typing import Any

from pipeline.core.json_schema import DRAFT, standard_schema
from pipeline.core.yaml_document import field_type
from pipeline.experiment.given import FROM
from pipeline.experiment.reader import ExperimentFile
from pipeline.experiment.registry import pruners, samplers
from pipeline.experiment.search_parameters import Range
from pipeline.training.config import all_fields


def experiment_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12. A key that several sections share is defined once."""
    definitions = {
        key: field_type(info).json_schema() | ({"description": info.description} if info.description else {})
        for key, info in all_fields().items()
    }
    values = {key: {"$ref": f"#/$defs/{key}"} for key in definitions}
    lists = {key: {"type": "array", "items": value} for key, value in values.items()}
    one_range = {"$ref": "#/$defs/range"}
    cases = {"type": "array", "items": one_range}
    parameters = {key: {"anyOf": [choices, one_range, cases]} for key, choices in lists.items()}
    sections = {
        "sampler": {"oneOf": [kind.model_json_schema() | {"required": ["name"]} for kind in samplers().values()]},
        "pruner": {"oneOf": [kind.model_json_schema() | {"required": ["name"]} for kind in pruners().values()]},
        "fixed": _only(values),
        "baseline": _only(values),
        "one_at_a_time": _only(lists),
        "reference": {"type": "object", "additionalProperties": _only(values)},
        "enqueue": {"type": "array", "items": _only({FROM: {"type": "string"}, **values})},
        "space": _only(parameters),
    }
    schema = ExperimentFile.model_json_schema()
    for name, section in sections.items():
        schema["properties"][name] = {"description": schema["properties"][name]["description"], **section}
    schema["$defs"] |= {**definitions, "range": Range.model_json_schema()}
    return {"$schema": DRAFT, **standard_schema(schema), "title": "An experiment"}


def _only(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}
