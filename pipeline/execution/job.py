"""One training as a job: what a worker is given, what it says after each epoch, and what it gives back."""

import hashlib
import io
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.core.files import writing
from pipeline.models.layers import count_parameters
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


class _ResumableTraining:
    """Epochs so far, the best of them with its weights, and the checkpoint that holds it all."""

    def __init__(self, job: Job, trainer: Trainer) -> None:
        self.job, self.trainer = job, trainer
        self.epochs: list[Epoch] = []
        self.best: tuple[float, float] | None = None
        self.best_epoch = 0
        self.weights: dict[str, Tensor] = {}
        self._load()

    def to_tell(self, to_train: Iterator[Epoch]) -> Iterator[Epoch]:
        """The epochs of the checkpoint, then those that are trained now."""
        yield from list(self.epochs)
        for epoch in to_train:
            self._add(epoch)
            yield epoch

    def finish(self) -> Finished:
        """Writes the weights that the job asks for."""
        assert self.best
        if self.job.weights:
            with writing(self.job.weights) as part:
                save_file(self.weights, part)
        n_parameters = count_parameters(self.trainer.model)
        trainer = self.trainer
        return Finished(self.best_epoch, self.best[0], trainer.description, n_parameters, trainer.slices)

    def _add(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        # of equal scores the one of lower loss: small validation parts tie often
        rank = (float(getattr(epoch, f"val_{self.job.objective}")), -epoch.val_loss)
        if self.best is None or rank > self.best:
            self.best, self.best_epoch = rank, epoch.epoch
            if self.job.weights:
                state = self.trainer.trained.state_dict()
                self.weights = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}
        self._save()

    def _save(self) -> None:
        if not self.job.checkpoint or self.trainer.n_done == self.trainer.config.n_epochs:
            return
        content = io.BytesIO()
        values = {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}
        epochs = [asdict(epoch) for epoch in self.epochs]
        torch.save({**self._identity(), **values, "epochs": epochs, "trainer": self.trainer.state()}, content)
        try:
            with writing(self.job.checkpoint) as part:
                part.write_bytes(hashlib.sha256(content.getvalue()).digest() + content.getvalue())
        except OSError as error:  # told alike for all trials: it is no fault of theirs, and stops the search
            why = f"checkpoints cannot be written in {self.job.checkpoint.parent}: {error.strerror}"
            raise PipelineError(why) from error

    def _load(self) -> None:
        """Takes what a death left; a damaged file or one of another training is not used."""
        if not self.job.checkpoint or not self.job.checkpoint.exists():
            return
        content = self.job.checkpoint.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return
        found: dict[str, Any] = torch.load(io.BytesIO(content[32:]), weights_only=True, map_location=device())
        if any(found.get(key) != value for key, value in self._identity().items()):
            return
        self.trainer.restore(found["trainer"])
        self.best, self.best_epoch, self.weights = found["best"], found["best_epoch"], found["weights"]
        self.epochs = [Epoch(**epoch) for epoch in found["epochs"]]

    def _identity(self) -> dict[str, Any]:
        return {
            "config": self.job.config,
            "seed": self.job.seed,
            "objective": self.job.objective,
            "data": self.trainer.digest,
            "device": device(),
        }


def train(job: Job, samples: Samples) -> Generator[Message, bool, None]:
    """One job from its start, or from its checkpoint, to its end.

    Yields each epoch and is sent whether to go on; yields the result last, whatever happens.
    """
    give_freed_memory_back()
    try:
        trainer = Trainer(job.config, samples, job.seed, device())
        progress = _ResumableTraining(job, trainer)
        for epoch in progress.to_tell(trainer.epochs()):
            if not (yield epoch):
                yield Stopped()
                return
        yield progress.finish()
    except Exception as error:  # whatever a trial does, the search goes on and says why
        if isinstance(error, PipelineError | OSError):
            yield Failed(str(error))
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield Failed(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
