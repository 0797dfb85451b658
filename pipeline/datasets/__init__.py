"""The data sets of data/*.yaml, and the way from their sources to parts: fetch, prepare, split.

Imports `core` and `artifacts`. A kind of source is one file in `sources`, found automatically.
"""

# fmt: off
__all__ = [
    "class_folders", "decoding", "description", "duplicates", "fetch", "image_input", "json_schema", "overlap",
    "picture_store", "preparation", "records", "sources", "splitting",
]
