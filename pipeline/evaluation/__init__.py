"""Retraining of winner and baseline, and what follows from it: predictions, explanations, model card, registration.

Imports `core`, `statistics`, `artifacts`, `models`, `training`, `execution` and `tracking`.
"""

__all__ = [
    "corruptions", "cross_validation", "explanations", "layer_tables", "ledger", "model_card", "model_registry",
    "result", "retrain", "seeds", "served_model", "settings",
]  # fmt: skip
