"""JSON schemas for editors, from the fields that check a file."""

from typing import Any

DRAFT = "https://json-schema.org/draft/2020-12/schema"
# pydantic's own names for bounds that follow a validator
STANDARD = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def standard_schema(schema: Any) -> Any:
    """Return a schema of pydantic with the standard names of bounds."""
    if isinstance(schema, dict):
        return {STANDARD.get(key, key): standard_schema(value) for key, value in schema.items()}
    return [standard_schema(value) for value in schema] if isinstance(schema, list) else schema
