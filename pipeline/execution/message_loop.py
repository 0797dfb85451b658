"""The message loop shared by all executors: start jobs, receive epochs, continue or stop within limits, end."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import psutil

from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import STARTED, Failed, Job, Message, OnEpoch, Result, Stopped
from pipeline.execution.retry import BEFORE_TRAINING
from pipeline.execution.settings import SearchSettings

POLL_S = 0.5  # how often limits are checked while no message arrives

Handle = TypeVar("Handle")  # what a transport knows a running training by


@dataclass(eq=False)
class _Training(Generic[Handle]):
    index: int  # of its job
    job: Job
    handle: Handle
    early_deaths: list[int] = field(default_factory=list)  # of workers that had not begun to train
    started_s: float | None = None  # on the monotonic clock; None: still waiting for room or data


class MessageLoop(ABC, Generic[Handle]):
    """Trains jobs in parallel. A subclass is the transport: it starts trainings and carries their messages."""

    settings: SearchSettings
    n_workers: int

    @abstractmethod
    def start(self, job: Job) -> Handle:
        """Start a training on a free worker."""

    @abstractmethod
    def wait(self, handles: Sequence[Handle], timeout_s: float | None) -> Sequence[Handle]:
        """Wait until trainings have messages and return them; none after the timeout."""

    @abstractmethod
    def receive(self, handle: Handle) -> Message | str:
        """Return the next message of a training: STARTED, its epochs, its result; `Failed` if its worker died."""

    @abstractmethod
    def answer(self, handle: Handle, goes_on: bool) -> None:
        """Continue a training after an epoch, or end it."""

    @abstractmethod
    def kill(self, handle: Handle) -> None:
        """End a training at once, wherever it is."""

    def used_gb(self, handle: Handle) -> float:
        """Return the resident memory of a training in GiB; 0 if only its worker can measure it."""
        return 0.0

    @abstractmethod
    def close(self) -> None:
        """End all workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, jobs: Iterable[Job], on_epoch: OnEpoch) -> Iterator[tuple[int, Result]]:
        """Yield (index of the job, result) as trainings end; a job is taken once a worker is free for it."""
        waiting = enumerate(jobs)
        running: list[_Training[Handle]] = []
        limited = self.settings.limit_s is not None or self.settings.limit_gb is not None
        try:
            while True:
                while len(running) < self.n_workers and (following := next(waiting, None)):
                    index, job = following
                    running.append(_Training(index, job, self.start(job)))
                if not running:
                    return
                ready = self.wait([training.handle for training in running], POLL_S if limited else None)
                for training in list(running):
                    message = self._receive(training) if training.handle in ready else None
                    if result := self._result(training, message, on_epoch):
                        running.remove(training)
                        yield training.index, result
        finally:
            for training in running:
                self.kill(training.handle)

    def _receive(self, training: _Training[Handle]) -> Message | None:
        """Return an epoch or a result; None if the training has just started, or was restarted."""
        message = self.receive(training.handle)
        if isinstance(message, str):
            assert message == STARTED
            training.started_s = time.monotonic()
            return None
        if isinstance(message, Failed) and message.died and training.started_s is None:
            training.early_deaths.append(0)
            if BEFORE_TRAINING.retries(training.early_deaths):
                training.handle = self.start(training.job)
                return None
        return message

    def _result(self, training: _Training[Handle], message: Message | None, on_epoch: OnEpoch) -> Result | None:
        """Return the result of a training that has ended, or that a limit or the caller ends now."""
        if isinstance(message, Result):
            return message
        if training.started_s is not None:
            elapsed_s = time.monotonic() - training.started_s
            if failed := beyond_limit(self.settings, elapsed_s=elapsed_s, used_gb=self.used_gb(training.handle)):
                self.kill(training.handle)
                return failed
        if not isinstance(message, Epoch):
            return None
        goes_on = on_epoch(training.index, message)
        self.answer(training.handle, goes_on)
        return None if goes_on else Stopped()


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
