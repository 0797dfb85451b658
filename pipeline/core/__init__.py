"""What every room uses: errors, atomic files, YAML, CSV, Markdown, progress bars, seeds and provenance.

Imports no other room.
"""

__all__ = ["errors", "files", "markdown", "progress", "provenance", "registry", "seeds", "tables", "yaml_document"]
