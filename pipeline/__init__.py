"""Experiment pipeline: from raw images to a report. `python -m pipeline --help` lists the commands.

`from pipeline import load_champion` loads a trained model.
"""

from importlib import import_module


def __getattr__(name: str) -> object:
    """Import what the package offers when it is used: `import pipeline` must stay cheap."""
    if name == "load_champion":
        return import_module("pipeline.champion").load_champion
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
