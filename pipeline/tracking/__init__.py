"""The records of runs, and MLflow as a projection of them.

Imports `core` and `artifacts`.
"""

__all__ = ["database", "findings", "mlflow", "roles", "run_record", "tracker", "ui"]
