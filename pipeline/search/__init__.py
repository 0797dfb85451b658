"""The search: one coordinator samples, prunes and records the trials of a study.

Imports `core`, `artifacts`, `experiment`, `execution` and `tracking`.
"""

__all__ = [
    "coordinator", "cost_limit", "halving", "publishing", "sampling", "search", "selection", "space_check", "study",
    "trials", "warm_start",
]  # fmt: skip
