"""One training as a job: what a worker receives, the messages it sends, and the results it ends with."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError, TrainingError
from pipeline.training.checkpoint import ResumableTraining
from pipeline.training.length import Length
from pipeline.training.network import ModelDescription
from pipeline.training.process import device, give_freed_memory_back
from pipeline.training.trainer import Trainer


@dataclass(frozen=True)
class Job:
    """One training.

    weights: file for the weights of the best epoch, or None. checkpoint: file that lets the training resume after a
    worker's death, or None; the caller deletes it once the result is safe.
    """

    config: Configuration
    development: Path
    seed: int
    objective: str
    weights: Path | None = None
    checkpoint: Path | None = None
    length: Length = Length()  # noqa: RUF009  immutable


@dataclass(frozen=True)
class Finished:
    """A training that reached its last epoch. slices: last step and mean training loss of each part of a pass."""

    best_epoch: int
    score: float
    description: ModelDescription
    n_parameters: int
    slices: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Stopped:
    """A training that was stopped after an epoch."""


@dataclass(frozen=True)
class Failed:
    """A training that failed.

    died: its worker exited without reporting a result, so the machine may be at fault. diverged: its loss did not
    remain finite.
    """

    reason: str
    died: bool = False
    diverged: bool = False


Result = Finished | Stopped | Failed
Message = Epoch | Result
OnEpoch = Callable[[int, Epoch], bool]  # (index of the job, epoch) -> whether to continue
STARTED = "started"  # the first message of a training: from then on, time and deaths count as its own


def train(job: Job, samples: Samples) -> Iterator[Message]:
    """Yield each epoch of a job, resumed from its checkpoint if there is one, and always its result last.

    A caller that wants to stop the training closes the generator.
    """
    give_freed_memory_back()
    try:
        trainer = Trainer(job.config, samples, job.seed, device(), length=job.length)
        training = ResumableTraining(trainer, job.objective, weights=job.weights, checkpoint=job.checkpoint)
        yield from training.epochs()
        training.save_weights()
        best = training.best
        yield Finished(best.epoch, best.score, trainer.description, trainer.n_parameters, trainer.slices)
    except TrainingError as error:
        yield Failed(str(error), diverged=True)
    except (PipelineError, OSError) as error:
        yield Failed(str(error))
    except Exception as error:  # one broken trial must not end the search
        where = traceback.extract_tb(error.__traceback__)[-1]
        yield Failed(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
