"""Errors, files, YAML, CSV, Markdown, progress bars, seeds, provenance, code digest. Imports no other room."""

__all__ = [
    "code_digest",
    "errors",
    "files",
    "markdown",
    "progress",
    "provenance",
    "registry",
    "seeds",
    "tables",
    "yaml_document",
]
