"""One training as a job: what a worker is given, what it says after each epoch, and what it gives back."""

import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.training.checkpoint import ResumableTraining
from pipeline.training.device import device
from pipeline.training.process import give_freed_memory_back
from pipeline.training.trainer import Trainer


@dataclass(frozen=True)
class Job:
    """One training.

    weights: where to write those of the best epoch, or None. checkpoint: file to go on from after a death, or None;
    whoever gave the job deletes it once the result is safe.
    """

    config: Configuration
    development: Path
    seed: int
    objective: str
    weights: Path | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Finished:
    """The training came to its end. slices: last step and mean training loss of each part of a pass."""

    best_epoch: int
    score: float
    description: dict[str, object]
    n_parameters: int
    slices: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Stopped:
    """The training was told to stop after an epoch."""


@dataclass(frozen=True)
class Failed:
    """died: the process ended without a word, so the cause may lie outside the training."""

    reason: str
    died: bool = False


Result = Finished | Stopped | Failed
Message = Epoch | Result
Answer = Callable[[int, Epoch], bool]  # (index of the job, epoch) -> whether to go on
STARTED = "started"  # what a worker says first of a job: from then on, time and death are the training's own


def beyond_time(elapsed_s: float, limit_s: float | None) -> Failed | None:
    if limit_s is None or elapsed_s <= limit_s:
        return None
    return Failed(f"took longer than the {limit_s:g} s of search.limit_s")


def beyond_memory(pid: int | None, limit_gb: float | None) -> Failed | None:
    """pid: of the process that trains, or None for this one. Raises psutil.Error if it is gone."""
    if limit_gb is None:
        return None
    used_gb = psutil.Process(pid).memory_info().rss / 2**30
    if used_gb <= limit_gb:
        return None
    return Failed(f"used {used_gb:.2f} GiB, more than the {limit_gb:g} of search.limit_gb")


def train(job: Job, samples: Samples) -> Generator[Message, bool, None]:
    """One job from its start, or from its checkpoint, to its end.

    Yields each epoch and is sent whether to go on; yields the result last, whatever happens.
    """
    give_freed_memory_back()
    try:
        trainer = Trainer(job.config, samples, job.seed, device())
        training = ResumableTraining(trainer, job.objective, weights=job.weights, checkpoint=job.checkpoint)
        for epoch in training.epochs():
            if not (yield epoch):
                yield Stopped()
                return
        training.save_weights()
        best = training.best
        yield Finished(best.epoch, best.score, trainer.description, trainer.n_parameters, trainer.slices)
    except Exception as error:  # whatever a trial does, the search goes on and says why
        if isinstance(error, PipelineError | OSError):
            yield Failed(str(error))
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield Failed(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
