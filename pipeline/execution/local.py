"""Trainings on this machine: spawned processes that train, send one message per epoch and wait for the answer."""

import contextlib
import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_connections
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.execution.job import STARTED, Failed, Job, Message, Result, train
from pipeline.execution.message_loop import MessageLoop, resident_gb
from pipeline.execution.settings import SearchSettings
from pipeline.training.process import die_with_parent, prepare_process, visible_gpus


@dataclass(eq=False)
class _Worker:
    place: int  # from 0 to n_workers - 1
    process: BaseProcess
    connection: Connection
    is_idle: bool = False

    def send(self, value: object) -> None:
        with contextlib.suppress(OSError):  # the process died, which the next `receive` reports
            self.connection.send(value)


class LocalExecutor(MessageLoop[_Worker]):
    """Up to `workers` trainings at a time, each in a spawned process with `threads` CPU threads.

    Workers take the GPUs in turn, so several workers share a GPU if there are more of them.
    """

    def __init__(self, settings: SearchSettings) -> None:
        assert settings.workers != "auto"
        self.settings, self.n_workers = settings, settings.workers
        self._gpus = visible_gpus()
        self._workers: list[_Worker] = []

    def start(self, job: Job) -> _Worker:
        worker = self._idle_worker() or self._spawn()
        worker.is_idle = False
        worker.send(job)
        return worker

    def wait(self, handles: Sequence[_Worker], timeout_s: float | None) -> list[_Worker]:
        ready = wait_for_connections([worker.connection for worker in handles], timeout_s)
        return [worker for worker in handles if worker.connection in ready]

    def receive(self, handle: _Worker) -> Message | str:
        try:
            message: Message | str = handle.connection.recv()
        except (EOFError, OSError):
            handle.process.join()
            code = handle.process.exitcode or 0
            cause = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            self.kill(handle)
            return Failed(f"the worker process {cause} during a training", died=True)
        handle.is_idle = isinstance(message, Result)
        return message

    def answer(self, handle: _Worker, goes_on: bool) -> None:
        handle.send(goes_on)
        handle.is_idle = not goes_on

    def kill(self, handle: _Worker) -> None:
        handle.process.kill()
        handle.process.join()
        handle.connection.close()
        self._workers = [worker for worker in self._workers if worker is not handle]

    def used_gb(self, handle: _Worker) -> float:
        return resident_gb(handle.process.pid)

    def close(self) -> None:
        for worker in self._workers:
            self.kill(worker)

    def _idle_worker(self) -> _Worker | None:
        """Return a worker without a training, and forget those that have died since their last one."""
        for worker in filter(lambda worker: worker.is_idle, self._workers):
            if worker.process.is_alive():
                return worker
            self.kill(worker)
        return None

    def _spawn(self) -> _Worker:
        place = min(set(range(self.n_workers)) - {worker.place for worker in self._workers})
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.settings.threads, gpu), daemon=True)
        process.start()
        theirs.close()
        self._workers.append(_Worker(place, process, ours))
        return self._workers[-1]


def _work(connection: Connection, threads: int, gpu: str | None) -> None:
    """Receive jobs and send their messages until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator handles Ctrl-C
    die_with_parent()
    prepare_process(threads, gpu)
    data: dict[Path, Samples] = {}
    with contextlib.suppress(EOFError, OSError):  # the coordinator has exited
        while True:
            job: Job = connection.recv()
            try:
                if job.development not in data:
                    data[job.development] = Samples.read(job.development)
            except (PipelineError, OSError) as error:
                connection.send(Failed(str(error)))
                continue
            connection.send(STARTED)
            for message in train(job, data[job.development]):
                connection.send(message)
                if isinstance(message, Epoch) and not connection.recv():
                    break
