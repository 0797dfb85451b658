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
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipeline.config import Flat
from pipeline.errors import PipelineError
from pipeline.training import Epoch


@dataclass(frozen=True)
class Setup:
    """Where and how trainings run here."""

    root: Path  # where mlflow.db, mlartifacts/ and .state/ stand
    workers: int  # trainings side by side
    threads: int  # of the CPU, per training
    tracking_uri: str | None  # an MLflow server; None: mlflow.db at the root


@dataclass(frozen=True)
class Job:
    """One training. weights: where to write those of the best epoch, or None."""

    config: Flat
    development: Path
    seed: int
    objective: str
    weights: Path | None = None


@dataclass(frozen=True)
class Finished:
    """The training came to its end, or was told to stop (`stopped`)."""

    best_epoch: int
    score: float
    stopped: bool
    description: dict[str, object]
    n_parameters: int


@dataclass(frozen=True)
class Failed:
    """died: the process ended without a word, so the cause may lie outside the training."""

    reason: str
    died: bool = False


Message = Epoch | Finished | Failed
Answer = Callable[[int, Epoch], bool]


class LocalExecutor:
    """Up to `n_workers` trainings at a time, each in a spawned process with `threads` CPU threads."""

    def __init__(self, n_workers: int, threads: int) -> None:
        self.n_workers, self.threads = n_workers, threads
        self._idle: list[tuple[BaseProcess, Connection]] = []
        self._busy: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, jobs: list[Job], on_epoch: Answer) -> Iterator[tuple[int, Finished | Failed]]:
        """Runs the jobs, `n_workers` at a time; gives (index of job, result) as they finish.

        on_epoch(index of job, epoch) -> whether to go on. A worker waits for its own answer only.
        """
        waiting = list(enumerate(jobs))[::-1]
        running: dict[Connection, tuple[int, BaseProcess]] = {}
        while waiting or running:
            while waiting and len(running) < self.n_workers:
                i, job = waiting.pop()
                process, connection = self._idle.pop() if self._idle else self._spawn()
                self._busy.append((process, connection))
                running[connection] = i, process
                _send(connection, job)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                i, process = running[ready]
                message = _hear(process, ready)
                if isinstance(message, Epoch):
                    _send(ready, on_epoch(i, message))
                    continue
                del running[ready]
                self._busy.remove((process, ready))
                if isinstance(message, Failed) and message.died:
                    ready.close()
                else:
                    self._idle.append((process, ready))
                yield i, message

    def close(self) -> None:
        """Ends all workers, also in mid-epoch; none outlives the call."""
        for process, connection in self._idle + self._busy:
            connection.close()
            process.terminate()
        deadline = time.monotonic() + 2
        for process, _ in self._idle + self._busy:
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


def _hear(process: BaseProcess, connection: Connection) -> Message:
    try:
        message: Message = connection.recv()
    except (EOFError, OSError):
        process.join()
        code = process.exitcode or 0
        cause = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Failed(f"the worker process ended {cause} in mid-training", died=True)
    return message


def _work(connection: Connection, threads: int) -> None:
    """Life of a worker: jobs in, messages out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    while True:
        try:
            job: Job = connection.recv()
        except (EOFError, OSError):
            return
        result = _train(job, connection)
        if result is None:
            return
        _send(connection, result)


def _train(job: Job, connection: Connection) -> Finished | Failed | None:
    """None if the coordinator is gone."""
    from safetensors.torch import save_file

    from pipeline.data import read_samples
    from pipeline.files import writing
    from pipeline.models import count_parameters
    from pipeline.training import Trainer, device

    try:
        trainer = Trainer(job.config, read_samples(job.development), job.seed, device())
        best: tuple[float, float] | None = None
        best_epoch, stopped, weights = 0, False, {}
        for epoch in trainer.epochs():
            # of equal scores the one of lower loss: small validation parts tie often
            rank = (float(getattr(epoch, f"val_{job.objective}")), -epoch.val_loss)
            if best is None or rank > best:
                best, best_epoch = rank, epoch.epoch
                if job.weights:
                    weights = {k: v.detach().cpu().clone().contiguous() for k, v in trainer.model.state_dict().items()}
            try:
                connection.send(epoch)
                go_on = connection.recv()
            except (EOFError, OSError):
                return None
            if not go_on:
                stopped = True
                break
        assert best is not None
        if job.weights:
            with writing(job.weights) as part:
                save_file(weights, part)
        return Finished(best_epoch, best[0], stopped, trainer.description, count_parameters(trainer.model))
    except (PipelineError, OSError) as error:
        return Failed(str(error))
    except Exception as error:  # whatever a trial does, the search goes on and says why
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Failed(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")


def _die_with_parent() -> None:
    """Ends this process once its parent is gone, so that a killed search leaves no orphan training on."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
