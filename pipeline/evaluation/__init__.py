"""Retraining of winner and baseline, and what follows from it: predictions, explanations, model card, registration.

Imports `core`, `statistics`, `artifacts`, `models`, `training`, `execution` and `tracking`.
"""

__all__ = ["evaluate", "layer_tables", "registry", "retrain", "settings"]
