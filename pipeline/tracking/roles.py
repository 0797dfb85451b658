"""The roles of runs in MLflow."""

from enum import StrEnum


class Role(StrEnum):
    """Values of the tag `role` of a run in MLflow."""

    STUDY = "study"  # the parent of all other runs
    BASELINE = "baseline"
    ONE_AT_A_TIME = "one_at_a_time"  # the baseline with one value changed
    REFERENCE = "reference"  # a known configuration, trained for comparison
    ENQUEUED = "enqueued"  # a known configuration that competes with the sampled ones
    SEARCH = "search"  # a sampled trial
    EVALUATE = "evaluate"  # a retraining of winner or baseline
    FOLD = "fold"  # a training of the cross-validation
