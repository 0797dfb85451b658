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
    schema["properties"]["source"] = {"description": schema["properties"]["source"]["description"], "oneOf": sources}
    return {"$schema": DRAFT, **standard_schema(schema), "title": "A data set"}
