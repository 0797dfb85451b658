"""One training as a generator of epochs; whoever iterates over it logs, prunes or stores them.

After every epoch, the validation images give scores, and early stopping decides whether it was the last.
"""

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.artifacts.configuration import Configuration, split_flat
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.image_rows import Images
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import TrainingError
from pipeline.core.seeds import derive_seed
from pipeline.models.layers import count_parameters, fit_to_images
from pipeline.statistics.scores import confusion_matrix, log_loss, scores
from pipeline.statistics.units import unit_weights
from pipeline.training.batches import Batches, class_weights
from pipeline.training.config import Training
from pipeline.training.learner import Learner
from pipeline.training.length import Length
from pipeline.training.network import ModelDescription, describe_network, image_shapes, start_network
from pipeline.training.precision import CANDIDATES, fastest
from pipeline.training.prediction import EVAL_BATCH, predict

SLICES = 20  # parts of an epoch, each one point of the training curve


@dataclass(frozen=True)
class Validation:
    """The part `val`. images: (N, H, W, C) uint8; labels: (N,); positive: (K,) bool, the positive classes.

    weights: (N,), what an image counts, so that a group counts once in each class.
    """

    images: Images
    labels: np.ndarray
    positive: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, development: Samples) -> "Validation":
        """Return the part `val` of a development part."""
        images, labels = development.part("val")
        groups = development.table.loc[development.table["part"] == "val", "group"].to_numpy()
        positive = np.isin(development.info.classes, development.info.positive)
        return cls(images, labels, positive, unit_weights(labels, groups))

    def measure(self, model: nn.Module, description: ModelDescription) -> tuple[float, np.ndarray]:
        """Return the mean log loss, nats per group, and the confusion matrix in groups (K, K), rows are the truth."""
        probabilities = predict(model, description, self.images)
        confusion = confusion_matrix(self.labels, probabilities.argmax(1), len(self.positive), self.weights)
        return float(log_loss(probabilities, self.labels, self.weights)), confusion

    def rates(self, confusion: np.ndarray) -> tuple[float, float] | tuple[None, None]:
        """Return sensitivity and specificity, with all positive classes taken together; None without any."""
        if not self.positive.any():
            return None, None
        positive, negative = confusion[self.positive], confusion[~self.positive]
        sensitivity = positive[:, self.positive].sum() / positive.sum()
        specificity = negative[:, ~self.positive].sum() / negative.sum()
        return float(sensitivity), float(specificity)


@dataclass
class EarlyStopping:
    """Ends a training whose validation loss has not improved for `patience` epochs; 0: never."""

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = 0

    def update(self, epoch: int, val_loss: float) -> None:
        if val_loss < self.best_loss:
            self.best_loss, self.best_epoch = val_loss, epoch

    def is_due(self, n_done: int) -> bool:
        return self.patience > 0 and n_done - self.best_epoch >= self.patience


class Trainer:
    """Trains one configuration on the development part; `trained` holds the weights after the last epoch yielded.

    The same arguments, thread count and machine give the same weights, except with `precision: auto`, which measures.
    """

    def __init__(
        self,
        config: Configuration,
        development: Samples,
        seed: int,
        device: str = "cpu",
        *,
        length: Length = Length(),  # noqa: B008  immutable
    ) -> None:
        """Start the network, or raise InputError if it does not fit the images or the published weights.

        Raises ValidationError if the configuration is not valid.
        """
        self.config = Training.model_validate(split_flat(config)[0])
        info = development.info
        shapes = image_shapes(development)
        self.batches = Batches(development, self.config, seed, device=torch.device(device))
        self.length, size = length, (self.batches.n_steps, self.config.n_epochs)
        self._checks, n_scheduled = length.checks(*size), length.scheduled(*size)
        self.identity = {"config": config, "seed": seed, "data": info.digest, "device": device, "steps": n_scheduled}
        self.validation = Validation.of(development)
        self._description = ModelDescription(
            **dict(describe_network(config, shapes)),
            **self.batches.statistics,
            classes=info.classes,
            positive=info.positive,
            test_time_augmentation=self.config.test_time_augmentation,
            precision=self.config.precision,
        )
        self.model = start_network(config, shapes, seed, device=device)
        fit_to_images(self.model, self.batches.not_augmented)
        self.n_parameters = count_parameters(self.model)
        weights = class_weights(self.batches.labels, shapes.n_classes) if self.config.class_weights else None
        self.learner = Learner(self.model, self.config, n_steps=n_scheduled, class_weights=weights)
        self.early_stopping = EarlyStopping(0 if length.stops else self.config.patience)
        self.n_steps_done = 0
        self.slices: list[tuple[int, float]] = []  # last step, mean loss of the steps since the slice before
        if self.config.precision == "auto":
            self.learner.use_precision(self._fastest_precision())

    @property
    def n_done(self) -> int:
        """Whole epochs trained so far."""
        return self.n_steps_done // self.batches.n_steps

    @property
    def is_done(self) -> bool:
        """Whether the schedule has no further step."""
        return self.n_steps_done == self.length.scheduled(self.batches.n_steps, self.config.n_epochs)

    @property
    def trained(self) -> nn.Module:
        """The model that is scored on `val`: its weights are those of `model`, or their running average."""
        return self.learner.trained

    @property
    def description(self) -> ModelDescription:
        """What rebuilding the model and predicting with it takes."""
        return self._description.model_copy(update={"precision": self.learner.precision.name})

    def epochs(self) -> Iterator[Epoch]:
        """Train and yield what remains, one value per check of val; its number is that of the epoch then reached.

        Raises TrainingError with epoch and step if the loss stops being finite.
        """
        for n_steps in self._checks:
            if n_steps <= self.n_steps_done:
                continue
            if self.early_stopping.is_due(self.n_done):
                return
            start, n_before, epoch = time.perf_counter(), self.n_steps_done, -(-n_steps // self.batches.n_steps)
            losses, train_confusion = self._train_until(n_steps)
            val_loss, val_confusion = self.validation.measure(self.trained, self.description)
            if not np.isfinite(val_loss):
                raise TrainingError(f"the loss on val is {val_loss} after epoch {epoch}; lower lr")
            train, val = scores(train_confusion), scores(val_confusion)
            sensitivity, specificity = self.validation.rates(val_confusion)
            self.slices += _slices(losses, n_before)
            self.early_stopping.update(epoch, val_loss)
            yield Epoch(
                epoch=epoch,
                train_loss=float(losses.mean()),
                train_accuracy=float(train["accuracy"]),
                train_macro_f1=float(train["macro_f1"]),
                val_loss=val_loss,
                val_accuracy=float(val["accuracy"]),
                val_macro_f1=float(val["macro_f1"]),
                val_sensitivity=sensitivity,
                val_specificity=specificity,
                lr=self.learner.lr,
                seconds=time.perf_counter() - start,
            )

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs; random numbers depend on seed and epoch alone."""
        return {
            "n_steps_done": self.n_steps_done,
            "early_stopping": asdict(self.early_stopping),
            "slices": self.slices,
            "learner": self.learner.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a trainer of equal `identity`, as if there had been no interruption."""
        self.n_steps_done = state["n_steps_done"]
        self.early_stopping = EarlyStopping(**state["early_stopping"])
        self.slices = list(state["slices"])
        self.learner.restore(state["learner"])

    def estimate_epoch_s(self, n_steps: int = 4) -> float:
        """Return the seconds that an epoch takes, from a few steps and a batch of `val`; the training is left as is."""
        n_steps = min(n_steps, self._checks[-1], self.batches.n_steps)
        batch = self.validation.images[:EVAL_BATCH]
        before = copy.deepcopy(self.state())
        for _ in range(2):  # the first round is slower
            start = time.perf_counter()
            self._pass(1, 0, n_steps)
            trained = time.perf_counter()
            predict(self.trained, self.description, batch)
            ended = time.perf_counter()
            self.restore(copy.deepcopy(before))  # a schedule has no steps beyond its last epoch
        per_image = (ended - trained) / len(batch)
        return (trained - start) * self.batches.n_steps / n_steps + per_image * len(self.validation.images)

    def _fastest_precision(self, n_steps: int = 3) -> str:
        """Time the first steps in each format, and return to the start."""
        measured = {}
        start = copy.deepcopy(self.state())
        for name in CANDIDATES[self.learner.device.type]:
            for _ in range(2):  # the first round is slower
                self.restore(copy.deepcopy(start))
                self.learner.use_precision(name)
                began = time.perf_counter()
                losses, _ = self._pass(1, 0, min(n_steps, self._checks[-1], self.batches.n_steps))
                measured[name] = (time.perf_counter() - began, float(losses.mean()))
        self.restore(start)
        return fastest(measured)

    def _train_until(self, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Train to this step, counted from the start; return losses and confusion matrix as `_pass` does."""
        parts = []
        while self.n_steps_done < n_steps:
            epoch, first = divmod(self.n_steps_done, self.batches.n_steps)
            last = min(self.batches.n_steps, first + n_steps - self.n_steps_done)
            parts.append(self._pass(epoch + 1, first, last))
            self.n_steps_done += last - first
        return np.concatenate([losses for losses, _ in parts]), np.sum([confusion for _, confusion in parts], axis=0)

    def _pass(self, epoch: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Train the steps from `first` to before `last` of an epoch; return losses (last - first,), confusion (K, K).

        An epoch that is interrupted by a stop continues with other random numbers for dropout, and the same batches.
        """
        # allocated at once: what each step kept would lie between the buffers of its batch, which no later step could
        # reuse then; memory grew by 12 MB per step, with `keep_freed_memory` and batches of 256 images of 64 px
        n_rows = (last - first) * self.config.batch_size
        losses = torch.empty(last - first, device=self.learner.device)
        predicted, actual = torch.empty(2, n_rows, dtype=torch.int64, device=self.learner.device)
        n = 0
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.batches.seed, "dropout", epoch, *([first] if first else [])))
            self.model.train()
            for step, (batch, labels) in enumerate(self.batches.of_epoch(epoch, first, last)):
                losses[step], predicted[n : n + len(labels)] = self.learner.step(batch, labels)
                actual[n : n + len(labels)] = labels
                n += len(labels)
        values = losses.cpu().numpy()
        if not np.isfinite(values).all():
            i = int(np.flatnonzero(~np.isfinite(values))[0])
            raise TrainingError(f"the loss is {values[i]} at step {first + i + 1} of epoch {epoch}; lower lr")
        n_classes = len(self.validation.positive)
        confusion = confusion_matrix(actual[:n].cpu().numpy(), predicted[:n].cpu().numpy(), n_classes)
        return values, confusion


def _slices(losses: np.ndarray, n_before: int) -> list[tuple[int, float]]:
    parts = np.array_split(losses, min(SLICES, len(losses)))
    ends = n_before + np.cumsum([len(part) for part in parts])
    return [(int(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]
