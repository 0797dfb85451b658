"""One training: a generator of epochs that knows nothing of who logs, prunes or stores them."""

import copy
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.artifacts.configuration import Configuration, split_flat
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import TrainingError
from pipeline.core.seeds import derive_seed
from pipeline.models.layers import count_parameters, fit_to_images
from pipeline.models.registry import Shapes, describe, start_model
from pipeline.statistics.scores import confusion_matrix, scores
from pipeline.training.augmentation import RandomNumbers, training_batch
from pipeline.training.config import Training
from pipeline.training.device import channels_last
from pipeline.training.normalisation import Normaliser, channel_statistics
from pipeline.training.optimizers import make_optimizer, make_schedule
from pipeline.training.precision import arithmetic, candidates, fastest
from pipeline.training.prediction import EVAL_BATCH, predict

SLICES = 20  # of a pass, for the learning curve within it
FIT_IMAGES, FIT_BATCH = 5000, 250  # of the training part, for layers that follow from images


class Trainer:
    """Trains `config` on the development part; `trained` holds the weights after the epoch yielded last.

    Same arguments, same thread count and same machine give the same weights; not so `precision: auto`, which measures.
    """

    def __init__(self, config: Configuration, development: Samples, seed: int, device: str = "cpu") -> None:
        """Raises InputError if the model does not fit the images, or published weights the model.

        Raises ConfigError or ValidationError on a bad config.
        """
        leaves, options = split_flat(config)
        self.configuration = config
        self.config = Training.model_validate(leaves)
        self.seed, self.device, self.digest = seed, torch.device(device), development.info.digest
        train_images, train_labels = development.part("train")
        val_images, val_labels = development.part("val")
        self.images = torch.from_numpy(train_images).to(self.device)  # (N, H, W, C) uint8
        self.labels = torch.from_numpy(train_labels).to(self.device)  # (N,) int64
        self.val_images, self.val_labels = val_images, val_labels
        _, height, width, channels = train_images.shape
        shapes = Shapes(channels, height, width, len(development.info.classes))
        self.description = {
            **describe(self.config.model, options.get(self.config.model.partition(":")[0], {}), shapes),
            **channel_statistics(train_images),
            "classes": development.info.classes,
            "positive": development.info.positive,
            "test_time_augmentation": self.config.test_time_augmentation,
        }
        self.normalise = Normaliser(self.description, self.device)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, "weights"))
            model = start_model(self.config.model, self.description["options"], shapes)
        self.model = channels_last(model.to(self.device))
        starts = range(0, min(FIT_IMAGES, len(self.images)), FIT_BATCH)
        fit_to_images(self.model, lambda: (self.normalise(self.images[i : i + FIT_BATCH]) for i in starts))
        train = development.table["part"].to_numpy() == "train"
        self.groups = np.unique(development.table["group"].to_numpy()[train], return_inverse=True)[1]  # (N,)
        n_drawn = len(self._draw(torch.Generator()))
        # a last batch of one image would break batch norm
        self.n_steps = -(-n_drawn // self.config.batch_size)
        if n_drawn % self.config.batch_size == 1 and self.n_steps > 1:
            self.n_steps -= 1
        self.n_done = 0  # epochs
        self.best_loss, self.best_epoch = float("inf"), 0  # on val
        self.slices: list[tuple[int, float]] = []  # last step, mean loss of the steps since the slice before
        weights = class_weights(self.labels, shapes.n_classes) if self.config.class_weights else None
        self.criterion = nn.CrossEntropyLoss(weights, label_smoothing=self.config.label_smoothing)
        self.optimizer = make_optimizer(self.model, self.config)
        self.schedule = make_schedule(self.optimizer, self.config, self.n_steps * self.config.n_epochs)
        self.average = None
        if self.config.ema_decay:
            mean = get_ema_multi_avg_fn(self.config.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.model, multi_avg_fn=mean, use_buffers=True)
        self._set_precision("float32" if self.config.precision == "auto" else self.config.precision)
        if self.config.precision == "auto":
            self._set_precision(self._fastest_precision())

    @property
    def trained(self) -> nn.Module:
        """What `val` is scored with: the model, or the running average of its weights."""
        return self.average.module if self.average else self.model

    def epochs(self) -> Iterator[Epoch]:
        """Raises TrainingError with epoch and step where the loss stops being finite."""
        n_classes = self.description["shapes"]["n_classes"]
        for epoch in range(self.n_done + 1, self.config.n_epochs + 1):
            if self.config.patience and self.n_done - self.best_epoch >= self.config.patience:
                return
            start = time.perf_counter()
            losses, confusion = self._pass(epoch, self.n_steps)
            probabilities = predict(self.trained, self.description, self.val_images)
            val_loss = log_loss(probabilities, self.val_labels)
            if not np.isfinite(val_loss):
                raise TrainingError(f"the loss on val is {val_loss} after epoch {epoch}; lower lr")
            train = scores(confusion)
            confusion = confusion_matrix(self.val_labels, probabilities.argmax(1), n_classes)
            val, rates = scores(confusion), self._rates(confusion)
            self.n_done = epoch
            self.slices += _slices(losses, self.n_steps * (epoch - 1))
            if val_loss < self.best_loss:
                self.best_loss, self.best_epoch = val_loss, epoch
            yield Epoch(
                epoch=epoch,
                train_loss=float(losses.mean()),
                train_accuracy=float(train["accuracy"]),
                train_macro_f1=float(train["macro_f1"]),
                val_loss=val_loss,
                val_accuracy=float(val["accuracy"]),
                val_macro_f1=float(val["macro_f1"]),
                val_sensitivity=rates[0],
                val_specificity=rates[1],
                lr=float(self.schedule.get_last_lr()[0]),
                seconds=time.perf_counter() - start,
            )

    def _rates(self, confusion: np.ndarray) -> tuple[float, float] | tuple[None, None]:
        """Sensitivity and specificity where the most probable class decides. confusion: (K, K), rows actual."""
        positive = np.isin(self.description["classes"], self.description["positive"])
        if not positive.any():
            return None, None
        found = confusion[positive][:, positive].sum() / confusion[positive].sum()
        spared = confusion[~positive][:, ~positive].sum() / confusion[~positive].sum()
        return float(found), float(spared)

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return count_parameters(self.model)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights; a state belongs to trainers of equal identity."""
        return {
            "config": self.configuration,
            "seed": self.seed,
            "data": self.digest,
            "device": str(self.device),
        }

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to go on as if never interrupted; random numbers depend on seed and epoch alone."""
        return {
            "n_done": self.n_done,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "slices": self.slices,
            "precision": self.description["precision"],
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes the state of a trainer made with the same arguments."""
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self._set_precision(state["precision"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.n_done, self.best_loss, self.best_epoch = (state[key] for key in ("n_done", "best_loss", "best_epoch"))
        self.slices = list(state["slices"])

    def estimate_epoch_s(self, n_steps: int = 4) -> float:
        """Seconds of an epoch, from some steps and a batch of `val`; the trainer goes back to where it was."""
        n_steps = min(n_steps, self.n_steps)
        batch, fresh = self.val_images[:EVAL_BATCH], copy.deepcopy(self.state())
        for _ in range(2):  # what comes first is slower
            start = time.perf_counter()
            self._pass(1, n_steps)
            trained = time.perf_counter()
            predict(self.trained, self.description, batch)
            ended = time.perf_counter()
            self.restore(copy.deepcopy(fresh))  # a schedule has no steps beyond its last epoch
        per_image = (ended - trained) / len(batch)
        return (trained - start) * self.n_steps / n_steps + per_image * len(self.val_images)

    def _set_precision(self, precision: str) -> None:
        self.description["precision"] = precision
        # the small gradients of float16 would vanish; a larger first scale loses steps until it has shrunk
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=1024, enabled=precision == "float16")

    def _fastest_precision(self, n_steps: int = 3) -> str:
        """Times the first steps in each format, and goes back to the start."""
        measured = {}
        start = copy.deepcopy(self.state())
        for name in candidates(self.device):
            for _ in range(2):  # what comes first is slower
                self.restore({**copy.deepcopy(start), "precision": name})
                began = time.perf_counter()
                losses, _ = self._pass(1, min(n_steps, self.n_steps))
                measured[name] = (time.perf_counter() - began, float(losses.mean()))
        self.restore(start)
        return fastest(measured)

    def _pass(self, epoch: int, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n_steps,) and confusion matrix of the first steps of one pass over the training part."""
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.seed, "dropout", epoch))
            return self._steps(epoch, n_steps)

    def _steps(self, epoch: int, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        self.model.train()
        order = self._draw(torch.Generator().manual_seed(derive_seed(self.seed, "batches", epoch))).to(self.device)
        draws = RandomNumbers.of_epoch(self.config, len(self.images), self.seed, epoch, self.device)
        losses, predicted = [], []
        for step in range(n_steps):
            rows = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            batch = training_batch(self.images, rows, self.config, self.normalise, draws)
            with arithmetic(self.device, self.description["precision"]):
                logits = self.model(batch)  # (B, K)
            loss = self.criterion(logits.float(), self.labels[rows])
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            if self.config.clip_norm:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.schedule.step()
            if self.average:
                self.average.update_parameters(self.model)
            losses.append(loss.detach())
            predicted.append(logits.argmax(1))
        values, found = torch.stack(losses), torch.cat(predicted)
        actual, n_classes = self.labels[order[: len(found)]], self.description["shapes"]["n_classes"]
        confusion = torch.bincount(actual * n_classes + found, minlength=n_classes * n_classes)
        if not bool(values.isfinite().all()):
            step = int((~values.isfinite()).nonzero()[0]) + 1
            raise TrainingError(f"the loss is {values[step - 1]} at step {step} of epoch {epoch}; lower lr")
        return values.cpu().numpy(), confusion.view(n_classes, n_classes).cpu().numpy()

    def _draw(self, generator: torch.Generator) -> Tensor:
        """Rows of one pass in random order, at most `images_per_group` of each duplicate group."""
        order = torch.randperm(len(self.labels), generator=generator)
        if not self.config.images_per_group:
            return order
        groups = self.groups[order.numpy()]
        by_group = np.argsort(groups, kind="stable")
        rank = np.empty(len(groups), np.int64)
        rank[by_group] = np.arange(len(groups)) - np.searchsorted(groups[by_group], groups[by_group])
        return order[torch.from_numpy(rank < self.config.images_per_group)]


def _slices(losses: np.ndarray, n_before: int) -> list[tuple[int, float]]:
    parts = np.array_split(losses, min(SLICES, len(losses)))
    ends = n_before + np.cumsum([len(part) for part in parts])
    return [(int(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean -ln p of the true class, nats per image."""
    p = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(p, 1e-12)).mean())


def class_weights(labels: Tensor, n_classes: int) -> Tensor:
    """(K,) float32 proportional to 1 / class frequency, mean 1 over the images."""
    counts = torch.bincount(labels, minlength=n_classes).float()
    return counts.sum() / (n_classes * counts)
