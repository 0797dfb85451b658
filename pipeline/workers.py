"""Where trainings run: spawned processes that train and send one message per epoch, nothing else.

An executor starts jobs, gives their messages in turn and takes an answer to each epoch. `LocalExecutor`
is the one for this machine.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipeline.config import Flat
from pipeline.errors import PipelineError
from pipeline.training import Epoch


@dataclass(frozen=True)
class Setup:
    """Where and how trainings run here; decides how fast they are, not what they find."""

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

    def run(self, jobs: list[Job], on_epoch: Answer) -> list[Finished | Failed]:
        """Runs at most `n_workers` jobs side by side, in step; returns their results in the order of `jobs`.

        on_epoch(index of job, epoch) -> whether to go on. All running jobs are heard before any is answered,
        in the order of `jobs`, so that what `on_epoch` decides does not depend on which process was faster.
        """
        assert len(jobs) <= self.n_workers
        running = {}
        for i, job in enumerate(jobs):
            running[i] = self._idle.pop() if self._idle else self._spawn()
            self._busy.append(running[i])
            _send(running[i][1], job)
        results: dict[int, Finished | Failed] = {}
        while running:
            heard = {i: _hear(process, connection) for i, (process, connection) in running.items()}
            for i, message in heard.items():
                worker = running[i]
                if isinstance(message, Epoch):
                    _send(worker[1], on_epoch(i, message))
                    continue
                results[i] = message
                del running[i]
                self._busy.remove(worker)
                if isinstance(message, Failed) and message.died:
                    worker[1].close()
                else:
                    self._idle.append(worker)
        return [results[i] for i in range(len(jobs))]

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
    wait([connection, process.sentinel])
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
            connection.send(_train(job, connection))
        except (EOFError, OSError):
            return


def _train(job: Job, connection: Connection) -> Finished | Failed:
    from safetensors.torch import save_file

    from pipeline.data import read_samples
    from pipeline.files import writing
    from pipeline.models import count_parameters
    from pipeline.training import Trainer

    try:
        trainer = Trainer(job.config, read_samples(job.development), job.seed)
        best: tuple[float, float] | None = None
        best_epoch, stopped, weights = 0, False, {}
        for epoch in trainer.epochs():
            # of equal scores the one of lower loss: small validation parts tie often
            rank = (float(getattr(epoch, f"val_{job.objective}")), -epoch.val_loss)
            if best is None or rank > best:
                best, best_epoch = rank, epoch.epoch
                if job.weights:
                    weights = {k: v.detach().clone().contiguous() for k, v in trainer.model.state_dict().items()}
            connection.send(epoch)
            if not connection.recv():
                stopped = True
                break
        assert best is not None
        if job.weights:
            with writing(job.weights) as part:
                save_file(weights, part)
        return Finished(best_epoch, best[0], stopped, trainer.description, count_parameters(trainer.model))
    except PipelineError as error:
        return Failed(str(error))
    except (EOFError, OSError):
        raise
    except Exception as error:  # whatever a trial does, the search goes on and says why
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Failed(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")


def _die_with_parent() -> None:
    """Ends this process once its parent is gone, so that a killed search leaves no orphan training on."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
