"""Who trains a job, local processes or Ray, and what happens when a worker dies.

Imports `core`, `artifacts` and `training`.
"""

__all__ = ["autotune", "executor", "job", "progress", "retry", "settings"]
