"""Limits of time and memory: a training beyond one of them fails."""

import psutil

from pipeline.execution.job import Failed
from pipeline.execution.settings import SearchSettings


def beyond_limit(settings: SearchSettings, *, elapsed_s: float = 0.0, used_gb: float = 0.0) -> Failed | None:
    """Return why a training fails, or None within the limits."""
    if settings.limit_s is not None and elapsed_s > settings.limit_s:
        return Failed(f"took longer than the {settings.limit_s:g} s of search.limit_s")
    if settings.limit_gb is not None and used_gb > settings.limit_gb:
        return Failed(f"used {used_gb:.2f} GiB, more than the {settings.limit_gb:g} of search.limit_gb")
    return None


def resident_gb(pid: int | None = None) -> float:
    """Return the resident memory of a process in GiB (this one if None); 0 if it has exited."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**30)
    except psutil.NoSuchProcess:
        return 0.0
