"""Limits of time and memory: a training beyond one of them fails."""

import psutil

from pipeline.execution.job import Failed


def beyond_time(elapsed_s: float, limit_s: float | None) -> Failed | None:
    """Return why the training fails, or None within the limit."""
    if limit_s is None or elapsed_s <= limit_s:
        return None
    return Failed(f"took longer than the {limit_s:g} s of search.limit_s")


def beyond_memory(used_gb: float, limit_gb: float | None) -> Failed | None:
    """Return why the training fails, or None within the limit."""
    if limit_gb is None or used_gb <= limit_gb:
        return None
    return Failed(f"used {used_gb:.2f} GiB, more than the {limit_gb:g} of search.limit_gb")


def resident_gb(pid: int | None = None) -> float:
    """Return the resident memory of a process in GiB (this one if None); 0 if it has exited."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**30)
    except psutil.NoSuchProcess:
        return 0.0
