"""The executor of a stage: what trains its jobs, chosen by `search.executor` in params.yaml."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from pipeline.core.errors import InputError
from pipeline.execution.job import Job, OnEpoch, Result
from pipeline.execution.local import LocalExecutor
from pipeline.execution.settings import SearchSettings
from pipeline.training.process import device


class Executor(Protocol):
    """Trains jobs in parallel."""

    n_workers: int

    def run(self, jobs: Iterable[Job], on_epoch: OnEpoch) -> Iterator[tuple[int, Result]]:
        """Yield (index of the job, result) as trainings end; a job is taken once a worker is free for it.

        on_epoch(index of the job, epoch) -> whether to continue.
        """
        ...


@contextlib.contextmanager
def open_executor(settings: SearchSettings) -> Iterator[Executor]:
    """Yield the executor of `settings`, and end its trainings when the block ends.

    Raises InputError if Ray is not installed or its cluster cannot be reached.
    """
    if settings.executor == "local":
        with LocalExecutor(settings) as local:
            yield local
        return
    try:
        from pipeline.execution.ray import RayExecutor
    except ModuleNotFoundError as error:
        raise InputError("search.executor is `ray`, which is not installed; run: pip install '.[ray]'") from error
    with RayExecutor(settings) as cluster:
        yield cluster


def device_of_workers(settings: SearchSettings) -> str:
    """Return `cpu` or `cuda`: where the workers of an executor train."""
    if settings.executor == "local":
        return device()
    return "cuda" if settings.gpus else "cpu"
