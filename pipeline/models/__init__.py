"""The model families, one file each, and what describes and rebuilds a model.

Imports `core`. The registry imports every module of this room, so that a family is one new file.
"""

__all__ = ["layers", "model_summary", "registry"]
