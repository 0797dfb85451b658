"""Errors, files, YAML, CSV, Markdown, progress, seeds, provenance, git history, code digest. Imports no other room."""

# fmt: off
__all__ = [
    "code_digest", "errors", "files", "history", "json_schema", "markdown", "progress", "provenance", "registry",
    "seeds", "tables", "yaml_document",
]
