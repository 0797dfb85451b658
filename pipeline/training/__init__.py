"""One network, trained or applied in one process: configuration, trainer, prediction.

Imports `core`, `statistics`, `artifacts` and `models`.
"""

__all__ = ["checkpoint", "config", "device", "network", "normalisation", "prediction", "process", "trainer"]
