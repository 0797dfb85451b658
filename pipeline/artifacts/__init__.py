"""The files between stages, one class each: path, read, write, and columns with unit and meaning.

Imports `core`.
"""

__all__ = ["configuration", "epoch", "evaluation", "explanations", "report_numbers", "samples", "search_result"]
