"""Errors, files, YAML, CSV, Markdown, progress, seeds, provenance, git history, code digest. Imports no other room."""

__all__ = [
    "code_digest",
    "errors",
    "files",
    "history",
    "markdown",
    "progress",
    "provenance",
    "registry",
    "seeds",
    "tables",
    "yaml_document",
]
