"""A training that survives the death of its process: the best weights so far, and a checkpoint of the last epoch."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import PipelineError
from pipeline.core.files import writing
from pipeline.training.trainer import Trainer

SHA256_BYTES = 32  # the checksum at the start of a checkpoint


@dataclass
class Best:
    """The best epoch so far. weights: on the CPU; empty where they are not kept."""

    score: float = -1.0
    val_loss: float = float("inf")
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def is_beaten_by(self, score: float, val_loss: float) -> bool:
        """Return whether the score is higher; ties, frequent on small validation parts, go to the lower loss."""
        return not self.epoch or (score, -val_loss) > (self.score, -self.val_loss)


class ResumableTraining:
    """The epochs of a trainer, continued from the checkpoint of an earlier process if there is one.

    objective: name of the validation score that decides which epoch is best. weights: file for the weights of the
    best epoch. checkpoint: file written after every epoch but the last; the caller deletes it once the result is safe.
    """

    def __init__(
        self, trainer: Trainer, objective: str, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> None:
        self.trainer = trainer
        self.objective = objective
        self.weights = weights
        self.checkpoint = checkpoint
        self.best = Best()
        self._done: list[Epoch] = []
        self._resume()

    def epochs(self) -> Iterator[Epoch]:
        """Yield the epochs of the checkpoint, then train and yield the others."""
        yield from list(self._done)
        for epoch in self.trainer.epochs():
            self._done.append(epoch)
            self._keep_if_best(epoch)
            self._save()
            yield epoch

    def save_weights(self) -> None:
        """Write the weights of the best epoch to the file named at the start, if any."""
        if self.weights:
            with writing(self.weights) as part:
                save_file(self.best.weights, part)

    def _keep_if_best(self, epoch: Epoch) -> None:
        score = float(getattr(epoch, f"val_{self.objective}"))
        if not self.best.is_beaten_by(score, epoch.val_loss):
            return
        state = self.trainer.trained.state_dict() if self.weights else {}
        kept = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}
        self.best = Best(score, epoch.val_loss, epoch.epoch, kept)

    def _save(self) -> None:
        if not self.checkpoint or self.trainer.is_done:
            return
        values = {
            "identity": self._identity(),
            "best": vars(self.best),
            "epochs": [asdict(epoch) for epoch in self._done],
            "trainer": self.trainer.state(),
        }
        try:
            _write(self.checkpoint, values)
        except OSError as error:  # a PipelineError: the disk is at fault, not the trial, and the search must stop
            reason = f"checkpoints cannot be written in {self.checkpoint.parent}: {error.strerror}"
            raise PipelineError(reason) from error

    def _resume(self) -> None:
        """Restore the checkpoint; ignore a damaged one and one of another training."""
        values = _read(self.checkpoint, self.trainer.learner.device) if self.checkpoint else None
        if values is None or values.get("identity") != self._identity():
            return
        self.trainer.restore(values["trainer"])
        self.best = Best(**values["best"])
        self._done = [Epoch(**epoch) for epoch in values["epochs"]]

    def _identity(self) -> dict[str, Any]:
        return {**self.trainer.identity, "objective": self.objective}


def _write(path: Path, values: dict[str, Any]) -> None:
    content = io.BytesIO()
    torch.save(values, content)
    with writing(path) as part:
        part.write_bytes(hashlib.sha256(content.getvalue()).digest() + content.getvalue())


def _read(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Return what `_write` stored, or None if the file is missing or damaged."""
    content = path.read_bytes() if path.exists() else b""
    checksum, stored = content[:SHA256_BYTES], content[SHA256_BYTES:]
    if hashlib.sha256(stored).digest() != checksum:
        return None
    values: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True, map_location=device)
    return values
