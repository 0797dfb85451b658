"""Trainings on a Ray cluster, behind the interface of `LocalExecutor`.

Ray finds the nodes, moves the data, and reserves the resources. A training streams its epochs and does not wait for
answers; one that is told to stop is cancelled. What a lost node was training is reported as died, and trained again.
"""

import math
import signal
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from pipeline.data import Samples, read_samples
from pipeline.errors import InputError, first_line
from pipeline.jobs import Failed, Finished, Job, Message, train
from pipeline.training import Epoch
from pipeline.workers import STARTED, Answer


class RayExecutor:
    """Up to `n_workers` trainings at a time, each with `threads` CPUs and `gpus` of a GPU, wherever there is room."""

    def __init__(
        self,
        n_workers: int,
        threads: int,
        address: str | None = None,
        gpus: float = 0.0,
        limit_s: float | None = None,
        limit_gb: float | None = None,
    ) -> None:
        """address: of a running cluster, or None for one on this machine that ends with this process.

        limit_s: seconds after which a training is cancelled and counts as failed. limit_gb: of resident memory, looked
        at after each epoch.
        """
        self.n_workers, self.limit_s, self.limit_gb = n_workers, limit_s, limit_gb
        self._data: dict[Path, Any] = {}
        self._started = not ray.is_initialized()
        if self._started:
            cpus = {} if address else {"num_cpus": n_workers * threads}
            on_stop = signal.getsignal(signal.SIGTERM)
            try:
                ray.init(address, log_to_driver=False, include_dashboard=False, **cpus)
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = f"no Ray cluster can be used at {address or 'this machine'}: {first_line(error)}"
                raise InputError(f"{reason}; correct search.ray_address") from error
            signal.signal(signal.SIGTERM, on_stop)  # which Ray replaces
        # a retry is the coordinator's to decide, and starts from the same seed
        self._train = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(_stream).options(
            num_returns="streaming"
        )
        self._threads = threads

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        if self._started:
            ray.shutdown()

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Finished | Failed]]:
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
                ready, _ = ray.wait(list(running), num_returns=1, timeout=None if self.limit_s is None else 0.5)
                for stream, i in list(running.items()):
                    message = self._beyond_limit(stream, started) or (_hear(stream) if stream in ready else None)
                    if message == STARTED:
                        started[stream] = time.monotonic()
                    elif isinstance(message, Epoch) and not on_epoch(i, message):
                        ray.cancel(stream)
                        message = Finished(message.epoch, 0.0, True, {}, 0)
                    if isinstance(message, Finished | Failed):
                        del running[stream]
                        yield i, message
        finally:
            for stream in running:
                ray.cancel(stream, force=True)

    def _beyond_limit(self, stream: Any, started: dict[Any, float]) -> Failed | None:
        """Cancels a training that is."""
        if self.limit_s is None or time.monotonic() - started.get(stream, math.inf) <= self.limit_s:
            return None
        ray.cancel(stream, force=True)
        return Failed(f"took longer than the {self.limit_s:g} s of search.limit_s")

    def _start(self, job: Job) -> Any:
        if job.development not in self._data:
            self._data[job.development] = ray.put(read_samples(job.development, mmap=False))
        return self._train.remote(job, self._data[job.development], self._threads, self.limit_gb)


def _stream(job: Job, samples: Samples, threads: int, limit_gb: float | None) -> Generator[Message | str, None, None]:
    """Runs on the node."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield STARTED
    training = train(job, samples)
    message = next(training)
    yield message
    while isinstance(message, Epoch):
        used_gb = psutil.Process().memory_info().rss / 2**30
        if limit_gb is not None and used_gb > limit_gb:
            yield Failed(f"used {used_gb:.2f} GiB, more than the {limit_gb:g} of search.limit_gb")
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
