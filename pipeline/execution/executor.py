"""TODO execution.executor."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from pipeline.core.errors import InputError
from pipeline.execution.job import Answer, Job, Result
from pipeline.execution.local import LocalExecutor
from pipeline.execution.settings import SearchSettings


class Executor(Protocol):
    """Runs jobs side by side."""

    n_workers: int

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Result]]:
        """Gives (index of job, result) as they finish; a job is taken when a worker is free for it.

        on_epoch(index of job, epoch) -> whether to go on.
        """
        ...


@contextlib.contextmanager
def open_executor(settings: SearchSettings) -> Iterator[Executor]:
    """The executor of `settings`; its trainings end with the block. Raises InputError if Ray is asked for, and missing
    or not to be reached."""
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
