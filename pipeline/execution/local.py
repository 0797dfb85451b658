"""Where trainings run: spawned processes that train and send one message per epoch, nothing else.

An executor runs jobs, asks after each epoch whether to go on, and gives the results as they come.
`LocalExecutor` is the one for this machine.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples, read_samples
from pipeline.core.errors import PipelineError
from pipeline.execution.job import STARTED, Answer, Failed, Job, Message, Result, beyond_memory, beyond_time, train
from pipeline.execution.settings import SearchSettings
from pipeline.training.device import visible_gpus
from pipeline.training.process import die_with_parent, prepare_process

MAX_STARTS = 3


@dataclass
class _Worker:
    place: int  # which of the workers side by side it is
    process: BaseProcess
    connection: Connection

    def send(self, value: object) -> None:
        with contextlib.suppress(OSError):  # the process died; hearing from it says so
            self.connection.send(value)


@dataclass
class _Training:
    index: int  # of its job
    job: Job
    worker: _Worker
    n_starts: int = 1
    started: float | None = None


class LocalExecutor:
    """Up to `workers` trainings at a time, each in a spawned process with `threads` CPU threads.

    Where there are GPUs the workers take them in turn, so several share one where there are more workers.
    """

    def __init__(self, settings: SearchSettings) -> None:
        """A training beyond `limit_s` or `limit_gb` (resident memory) is killed and counts as failed."""
        assert settings.workers != "auto"
        self.settings, self.n_workers = settings, settings.workers
        self._gpus = visible_gpus()
        self._idle: list[_Worker] = []
        self._busy: list[_Training] = []

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Result]]:
        """A worker waits for the answer to its own epochs only."""
        waiting = enumerate(jobs)
        limited = self.settings.limit_s is not None or self.settings.limit_gb is not None
        while True:
            while len(self._busy) < self.n_workers and (next_job := next(waiting, None)):
                self._busy.append(_Training(*next_job, self._free_worker()))
                self._busy[-1].worker.send(next_job[1])
            if not self._busy:
                return
            ready = wait([training.worker.connection for training in self._busy], 0.5 if limited else None)
            for training in list(self._busy):
                message = self._hear(training) if training.worker.connection in ready else None
                if message is None or isinstance(message, Epoch):
                    message = self._beyond_limit(training) or message
                if isinstance(message, Epoch):
                    training.worker.send(on_epoch(training.index, message))
                elif message:
                    self._busy.remove(training)
                    if training.worker.process.is_alive():
                        self._idle.append(training.worker)
                    else:
                        training.worker.connection.close()
                    yield training.index, message

    def _free_worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.is_alive():
                return worker
            worker.connection.close()
        taken = {training.worker.place for training in self._busy}
        return self._spawn(min(set(range(self.n_workers)) - taken))

    def _hear(self, training: _Training) -> Message | None:
        """None: it has only begun, or begun again with another worker since one died before it could begin."""
        worker = training.worker
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            code = worker.process.exitcode or 0
            cause = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            if training.started is not None or training.n_starts == MAX_STARTS:
                return Failed(f"the worker process ended {cause} in mid-training", died=True)
            worker.connection.close()
            training.worker = self._spawn(worker.place)
            training.n_starts += 1
            training.worker.send(training.job)
            return None
        if message == STARTED:
            training.started = time.monotonic()
            return None
        assert isinstance(message, Epoch | Result)
        return message

    def _beyond_limit(self, training: _Training) -> Failed | None:
        """Kills a training that is."""
        if training.started is None:
            return None
        process = training.worker.process
        failed = beyond_time(time.monotonic() - training.started, self.settings.limit_s)
        with contextlib.suppress(psutil.Error):  # ended meanwhile; hearing from it says so
            failed = failed or beyond_memory(process.pid, self.settings.limit_gb)
        if failed:
            process.kill()
            process.join()
        return failed

    def close(self) -> None:
        """Ends all workers, also in mid-epoch; none outlives the call."""
        all_of_them = self._idle + [training.worker for training in self._busy]
        for worker in all_of_them:
            worker.connection.close()
            worker.process.terminate()
        deadline = time.monotonic() + 2
        for worker in all_of_them:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._idle, self._busy = [], []

    def _spawn(self, place: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        process = context.Process(target=_work, args=(theirs, self.settings.threads, gpu), daemon=True)
        process.start()
        theirs.close()
        return _Worker(place, process, ours)


def _work(connection: Connection, threads: int, gpu: str | None) -> None:
    """Life of a worker: jobs in, messages out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
    die_with_parent()
    prepare_process(threads, gpu)
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
