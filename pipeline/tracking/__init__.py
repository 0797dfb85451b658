"""The records of runs, and MLflow as a projection of them.

Imports `core` and `artifacts`.
"""

__all__ = ["mlflow", "roles", "run_record", "tracker"]
