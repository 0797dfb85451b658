"""Where trainings run: spawned processes that train and send one message per epoch, nothing else.

An executor runs jobs, asks after each epoch whether to go on, and gives the results as they come.
`LocalExecutor` is the one for this machine.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Protocol

import psutil

from pipeline.data import Samples, read_samples
from pipeline.errors import InputError, PipelineError
from pipeline.jobs import Failed, Finished, Job, Message, train
from pipeline.training import Epoch


@dataclass(frozen=True)
class Setup:
    """Where and how trainings run here; see `search` in params.yaml."""

    root: Path  # where mlflow.db, mlartifacts/ and .state/ stand
    workers: int = 1
    threads: int = 1
    tracking_uri: str | None = None
    reproducible: bool = True
    limit_s: float | None = None
    limit_gb: float | None = None
    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    gpus: float = 0.0


class Executor(Protocol):
    """Runs jobs side by side."""

    n_workers: int

    def run(self, jobs: Iterable[Job], on_epoch: "Answer") -> Iterator[tuple[int, Finished | Failed]]:
        """Gives (index of job, result) as they finish; a job is taken when a worker is free for it.

        on_epoch(index of job, epoch) -> whether to go on.
        """
        ...


@contextlib.contextmanager
def open_executor(setup: Setup) -> Iterator[Executor]:
    """The executor of `setup`; its trainings end with the block. Raises InputError if Ray is asked for and missing."""
    if setup.executor == "local":
        with LocalExecutor(setup.workers, setup.threads, setup.limit_s, setup.limit_gb) as local:
            yield local
        return
    try:
        from pipeline.cluster import RayExecutor
    except ModuleNotFoundError as error:
        raise InputError("search.executor is `ray`, which is not installed; run: pip install '.[ray]'") from error
    limits = setup.limit_s, setup.limit_gb
    with RayExecutor(setup.workers, setup.threads, setup.ray_address, setup.gpus, *limits) as cluster:
        yield cluster


Answer = Callable[[int, Epoch], bool]


STARTED = "started"  # what a worker says first of a job: from then on, time and death are the training's own
MAX_STARTS = 3


@dataclass
class _Training:
    index: int  # of its job
    job: Job
    process: BaseProcess
    connection: Connection
    n_starts: int = 1
    started: float | None = None


class LocalExecutor:
    """Up to `n_workers` trainings at a time, each in a spawned process with `threads` CPU threads."""

    def __init__(
        self, n_workers: int, threads: int, limit_s: float | None = None, limit_gb: float | None = None
    ) -> None:
        """limit_s, limit_gb: seconds and resident memory after which a training is killed and counts as failed."""
        self.n_workers, self.threads, self.limit_s, self.limit_gb = n_workers, threads, limit_s, limit_gb
        self._idle: list[tuple[BaseProcess, Connection]] = []
        self._busy: list[_Training] = []

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Finished | Failed]]:
        """Runs the jobs, `n_workers` at a time; gives (index of job, result) as they finish.

        A job is taken when a worker is free for it. on_epoch(index of job, epoch) -> whether to go on. A worker waits
        for its own answer only.
        """
        waiting = enumerate(jobs)
        limited = self.limit_s is not None or self.limit_gb is not None
        while True:
            while len(self._busy) < self.n_workers and (next_job := next(waiting, None)):
                self._busy.append(_Training(*next_job, *self._worker()))
                _send(self._busy[-1].connection, next_job[1])
            if not self._busy:
                return
            ready = wait([training.connection for training in self._busy], 0.5 if limited else None)
            for training in list(self._busy):
                message = self._hear(training) if training.connection in ready else None
                if message is None or isinstance(message, Epoch):
                    message = self._beyond_limit(training) or message
                if isinstance(message, Epoch):
                    _send(training.connection, on_epoch(training.index, message))
                elif message:
                    self._busy.remove(training)
                    if training.process.is_alive():
                        self._idle.append((training.process, training.connection))
                    else:
                        training.connection.close()
                    yield training.index, message

    def _worker(self) -> tuple[BaseProcess, Connection]:
        while self._idle:
            process, connection = self._idle.pop()
            if process.is_alive():
                return process, connection
            connection.close()
        return self._spawn()

    def _hear(self, training: _Training) -> Message | None:
        """None: it has only begun, or begun again with another worker since one died before it could begin."""
        try:
            message = training.connection.recv()
        except (EOFError, OSError):
            training.process.join()
            code = training.process.exitcode or 0
            cause = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            if training.started is not None or training.n_starts == MAX_STARTS:
                return Failed(f"the worker process ended {cause} in mid-training", died=True)
            training.connection.close()
            training.process, training.connection = self._spawn()
            training.n_starts += 1
            _send(training.connection, training.job)
            return None
        if message == STARTED:
            training.started = time.monotonic()
            return None
        assert isinstance(message, Epoch | Finished | Failed)
        return message

    def _beyond_limit(self, training: _Training) -> Failed | None:
        """Kills a training that is."""
        reason = ""
        if training.started is None:
            return None
        if self.limit_s is not None and time.monotonic() - training.started > self.limit_s:
            reason = f"took longer than the {self.limit_s:g} s of search.limit_s"
        elif self.limit_gb is not None:
            with contextlib.suppress(psutil.Error):  # ended meanwhile; hearing from it says so
                used_gb = psutil.Process(training.process.pid).memory_info().rss / 2**30
                if used_gb > self.limit_gb:
                    reason = f"used {used_gb:.2f} GiB, more than the {self.limit_gb:g} of search.limit_gb"
        if not reason:
            return None
        training.process.kill()
        training.process.join()
        return Failed(reason)

    def close(self) -> None:
        """Ends all workers, also in mid-epoch; none outlives the call."""
        all_of_them = self._idle + [(training.process, training.connection) for training in self._busy]
        for process, connection in all_of_them:
            connection.close()
            process.terminate()
        deadline = time.monotonic() + 2
        for process, _ in all_of_them:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._idle, self._busy = [], []

    def _spawn(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.threads), daemon=True)
        process.start()
        theirs.close()
        return process, ours


def _send(connection: Connection, value: object) -> None:
    with contextlib.suppress(OSError):  # the process died; hearing from it says so
        connection.send(value)


def _work(connection: Connection, threads: int) -> None:
    """Life of a worker: jobs in, messages out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    data: dict[Path, Samples] = {}
    with contextlib.suppress(EOFError, OSError):  # the coordinator is gone
        while True:
            job: Job = connection.recv()
            try:
                if job.development not in data:
                    data[job.development] = read_samples(job.development)
            except (PipelineError, OSError) as error:
                connection.send(Failed(str(error)))
                continue
            connection.send(STARTED)
            training = train(job, data[job.development])
            message = next(training)
            connection.send(message)
            while isinstance(message, Epoch):
                message = training.send(connection.recv())
                connection.send(message)


def _die_with_parent() -> None:
    """Ends this process once its parent is gone, so that a killed search leaves no orphan training on."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
