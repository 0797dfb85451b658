"""Trainings on a Ray cluster.

Ray finds the nodes, moves the data and reserves the resources. A training streams its epochs without waiting for
answers and is cancelled to stop it. A training on a lost node is reported as died.
"""

import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import InputError, first_line
from pipeline.execution.job import STARTED, Failed, Job, Message, train
from pipeline.execution.message_loop import MessageLoop, beyond_limit, resident_gb
from pipeline.execution.settings import SearchSettings
from pipeline.training.process import prepare_process


class RayExecutor(MessageLoop[Any]):
    """Up to `workers` trainings at a time, each with `threads` CPUs and `gpus` of a GPU, on any node with room."""

    def __init__(self, settings: SearchSettings) -> None:
        """Connect to the cluster, or start one here. Raises InputError if there is no cluster at `ray_address`."""
        self.settings = settings
        self._data: dict[Path, Any] = {}
        self._started = not ray.is_initialized()
        if self._started:
            self._connect(settings.ray_address)
        self.n_workers = self._room() if settings.workers == "auto" else settings.workers
        # `retry` decides what is trained again, not Ray
        resources: dict[str, Any] = {"num_cpus": settings.threads, "num_gpus": settings.gpus, "max_retries": 0}
        self._train = ray.remote(**resources)(_stream).options(num_returns="streaming")

    def _connect(self, address: str | None) -> None:
        workers, threads = self.settings.workers, self.settings.threads
        cpus = {} if address or workers == "auto" else {"num_cpus": workers * threads}
        on_stop = signal.getsignal(signal.SIGTERM)
        try:
            _check_reachable(address)
            # with None, Ray would join any cluster that runs here
            ray.init(address or "local", log_to_driver=False, include_dashboard=False, **cpus)
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"no Ray cluster can be used at {address or 'this machine'}: {first_line(error)}"
            raise InputError(f"{reason}; correct search.ray_address") from error
        signal.signal(signal.SIGTERM, on_stop)  # Ray has replaced the handler

    def _room(self) -> int:
        """Return how many trainings fit on the nodes. Raises InputError if none does."""
        threads, gpus, room = self.settings.threads, self.settings.gpus, 0
        for node in ray.nodes():
            has = node["Resources"] if node["Alive"] else {}
            of_gpus = has.get("GPU", 0) / gpus if gpus else float("inf")
            room += int(min(has.get("CPU", 0) / threads, of_gpus))
        if not room:
            needed = f"{threads} threads and {gpus:g} GPUs"
            raise InputError(f"no node has room for a training with {needed}; lower search.threads or search.gpus")
        return room

    def start(self, job: Job) -> Any:
        if job.development not in self._data:  # they reach each node once, through the object store
            samples = Samples.read(job.development)
            # a plain array goes from the file into the store, and a worker reads it there, without a copy
            self._data[job.development] = ray.put(replace(samples, images=np.asarray(samples.images)))
        return self._train.remote(job, self._data[job.development], self.settings)

    def wait(self, handles: Sequence[Any], timeout_s: float | None) -> list[Any]:
        ready: list[Any] = ray.wait(list(handles), num_returns=1, timeout=timeout_s)[0]
        return ready

    def receive(self, handle: Any) -> Message | str:
        try:
            message: Message | str = ray.get(next(handle))
        except RayTaskError as error:  # not caught by `train`: the node lacks something
            return Failed(first_line(error.cause))
        except TaskCancelledError:
            return Failed("the training was cancelled from outside", died=True)
        except (RayError, StopIteration) as error:
            return Failed(f"the training was lost: {first_line(error)}", died=True)
        return message

    def answer(self, handle: Any, goes_on: bool) -> None:
        if not goes_on:
            ray.cancel(handle)

    def kill(self, handle: Any) -> None:
        ray.cancel(handle, force=True)

    def close(self) -> None:
        if self._started:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nothing listens at the address: Ray would retry for many minutes."""
    url = urlsplit(address if address and "://" in address else f"ray://{address or ''}")
    if url.hostname and url.port:
        socket.create_connection((url.hostname, url.port), timeout=10).close()


def _stream(job: Job, samples: Samples, settings: SearchSettings) -> Iterator[Message | str]:
    """Train on the node and yield the messages."""
    prepare_process(settings.threads, gpu=None if settings.gpus else "")  # without a share, Ray leaves GPUs visible
    yield STARTED
    for message in train(job, samples):
        yield message
        failed = beyond_limit(settings, used_gb=resident_gb()) if isinstance(message, Epoch) else None
        if failed:
            yield failed
            return
