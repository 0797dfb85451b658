"""The stages of dvc.yaml, one module each: `run(...)` reads artifacts, calls one room and writes artifacts.

Imports every room. No stage imports another.
"""

__all__ = ["download", "evaluate", "explore", "overlap", "prepare", "report", "search", "split", "summary"]
