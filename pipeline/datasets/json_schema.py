"""The JSON schema of data/<name>.yaml, for editors; made from the fields that check the file."""

from typing import Any

from pipeline.core.json_schema import DRAFT, standard_schema
from pipeline.datasets.description import Description
from pipeline.datasets.sources import kinds


def dataset_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12."""
    schema = Description.model_json_schema()
    sources: list[dict[str, Any]] = []
    for name, kind in sorted(kinds().items()):
        source = kind.model_json_schema()
        schema["$defs"] |= source.pop("$defs", {})
        sources.append({**source, "required": [name]})
    entries = [_with_name(source) for source in sources]
    properties = schema["properties"]
    properties["source"] = {"description": properties["source"]["description"], "oneOf": sources}
    listed = {"type": "array", "minItems": 1, "items": {"oneOf": entries}}
    properties["sources"] = {"description": properties["sources"]["description"], **listed}
    schema["oneOf"] = [{"required": ["source"]}, {"required": ["sources"]}]
    return {"$schema": DRAFT, **standard_schema(schema), "title": "A data set"}


def _with_name(source: dict[str, Any]) -> dict[str, Any]:
    properties = {**source["properties"], "name": {"type": "string"}}
    return {**source, "properties": properties, "required": [*source["required"], "name"]}
