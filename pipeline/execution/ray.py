"""Trainings on a Ray cluster, behind the interface of `LocalExecutor`.

Ray finds the nodes, moves the data, and reserves the resources. A training streams its epochs and does not wait for
answers; one that is told to stop is cancelled. What a lost node was training is reported as died, and trained again.
"""

import signal
import socket
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples, read_samples
from pipeline.core.errors import InputError, first_line
from pipeline.execution.job import (
    STARTED,
    Answer,
    Failed,
    Job,
    Message,
    Result,
    Stopped,
    beyond_memory,
    beyond_time,
    train,
)
from pipeline.execution.settings import SearchSettings
from pipeline.training.process import prepare_process


class RayExecutor:
    """Up to `workers` trainings at a time, each with `threads` CPUs and `gpus` of a GPU, wherever there is room."""

    def __init__(self, settings: SearchSettings) -> None:
        """A training is cancelled and counts as failed beyond `limit_s`, or beyond `limit_gb` of resident memory, which
        is looked at after each epoch. Raises InputError if there is no cluster at `ray_address`.
        """
        self.settings = settings
        self._data: dict[Path, Any] = {}
        self._started = not ray.is_initialized()
        if self._started:
            self._connect(settings.ray_address)
        self.n_workers = self._room() if settings.workers == "auto" else settings.workers
        # a retry is the coordinator's to decide, and starts from the same seed
        resources: dict[str, Any] = {"num_cpus": settings.threads, "num_gpus": settings.gpus, "max_retries": 0}
        self._train = ray.remote(**resources)(_stream).options(num_returns="streaming")

    def _connect(self, address: str | None) -> None:
        workers, threads = self.settings.workers, self.settings.threads
        cpus = {} if address or workers == "auto" else {"num_cpus": workers * threads}
        on_stop = signal.getsignal(signal.SIGTERM)
        try:
            _check_reachable(address)
            # None would take any cluster that runs here
            ray.init(address or "local", log_to_driver=False, include_dashboard=False, **cpus)
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"no Ray cluster can be used at {address or 'this machine'}: {first_line(error)}"
            raise InputError(f"{reason}; correct search.ray_address") from error
        signal.signal(signal.SIGTERM, on_stop)  # which Ray replaces

    def _room(self) -> int:
        """Trainings that the nodes have room for now. Raises InputError if there is none."""
        threads, gpus, room = self.settings.threads, self.settings.gpus, 0
        for node in ray.nodes():
            has = node["Resources"] if node["Alive"] else {}
            of_gpus = has.get("GPU", 0) / gpus if gpus else float("inf")
            room += int(min(has.get("CPU", 0) / threads, of_gpus))
        if not room:
            raise InputError(f"no node has room for a training of {threads} threads and {gpus:g} GPUs; lower them")
        return room

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        if self._started:
            ray.shutdown()

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Result]]:
        """As LocalExecutor.run; data of a job reach each node once, through the object store."""
        waiting = enumerate(jobs)
        running: dict[Any, int] = {}
        started: dict[Any, float] = {}  # it may have waited for room before
        try:
            while True:
                while len(running) < self.n_workers and (next_job := next(waiting, None)):
                    running[self._start(next_job[1])] = next_job[0]
                if not running:
                    return
                ready, _ = ray.wait(
                    list(running), num_returns=1, timeout=None if self.settings.limit_s is None else 0.5
                )
                for stream, i in list(running.items()):
                    message = self._beyond_limit(stream, started) or (_hear(stream) if stream in ready else None)
                    if message == STARTED:
                        started[stream] = time.monotonic()
                    elif isinstance(message, Epoch) and not on_epoch(i, message):
                        ray.cancel(stream)
                        message = Stopped()
                    if isinstance(message, Result):
                        del running[stream]
                        yield i, message
        finally:
            for stream in running:
                ray.cancel(stream, force=True)

    def _beyond_limit(self, stream: Any, started: dict[Any, float]) -> Failed | None:
        """Cancels a training that is."""
        now = time.monotonic()
        failed = beyond_time(now - started.get(stream, now), self.settings.limit_s)
        if failed:
            ray.cancel(stream, force=True)
        return failed

    def _start(self, job: Job) -> Any:
        if job.development not in self._data:
            self._data[job.development] = ray.put(read_samples(job.development, mmap=False))
        return self._train.remote(job, self._data[job.development], self.settings)


def _check_reachable(address: str | None) -> None:
    """Ray would ask an address where nothing listens for many minutes. Raises OSError."""
    url = urlsplit(address if address and "://" in address else f"ray://{address or ''}")
    if url.hostname and url.port:
        socket.create_connection((url.hostname, url.port), timeout=10).close()


def _stream(job: Job, samples: Samples, settings: SearchSettings) -> Generator[Message | str, None, None]:
    """Runs on the node."""
    prepare_process(settings.threads, gpu=None if settings.gpus else "")  # which Ray leaves visible otherwise
    yield STARTED
    training = train(job, samples)
    message = next(training)
    yield message
    while isinstance(message, Epoch):
        if failed := beyond_memory(None, settings.limit_gb):
            yield failed
            return
        message = training.send(True)
        yield message


def _hear(stream: Any) -> Message | str:
    try:
        message: Message | str = ray.get(next(stream))
    except RayTaskError as error:  # outside of what `train` catches: the node lacks something
        return Failed(first_line(error.cause))
    except TaskCancelledError:
        return Failed("the training was cancelled from outside", died=True)
    except (RayError, StopIteration) as error:
        return Failed(f"the training was lost: {first_line(error)}", died=True)
    return message
