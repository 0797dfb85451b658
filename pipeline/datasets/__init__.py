"""The data sets, one file each, and the way from published files to parts: fetch, prepare, split.

Imports `core` and `artifacts`. The registry imports every module of this room, so that a data set is one new file.
"""

__all__ = ["duplicates", "fetch", "image_input", "overlap", "preparation", "registry", "splitting"]
