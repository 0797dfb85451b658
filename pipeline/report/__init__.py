"""The HTML pages and their Markdown twins; each section of an experiment's page is a module of `sections`.

Imports `core`, `statistics` and `artifacts`.
"""

__all__ = ["dataset_page", "drawing", "experiment_page", "numbers", "overlap_page", "results", "settings", "summary"]
