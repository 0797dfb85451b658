"""One network, trained or applied in one process: configuration, trainer, prediction.

Imports `core`, `statistics`, `artifacts` and `models`.
"""

# fmt: off
__all__ = [
    "batches", "checkpoint", "config", "cost", "length", "network", "prediction", "process", "registered",
    "trainer",
]
