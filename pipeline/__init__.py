"""From raw images to numbers that you can defend: download, split, search, evaluate, report.

`from pipeline import load_champion` loads a trained model.
"""

import os
from importlib import import_module

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # importing mlflow starts its telemetry unless this is set


def __getattr__(name: str) -> object:
    """Import what the package offers once it is used: `import pipeline` must stay cheap."""
    if name == "load_champion":
        return import_module("pipeline.champion").load_champion
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
