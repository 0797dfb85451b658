"""Scores, thresholds, intervals, tests and calibration: arrays in, numbers out.

Knows no torch, no files and no pages. Imports nothing but `core`.
"""

__all__ = [
    "calibration", "confident_learning", "design", "effects", "folds", "intervals", "jackknife", "measures",
    "robust_regression", "roc", "rung_agreement", "scores", "screening", "significance", "units",
]  # fmt: skip
