"""One training: a generator of epochs that knows nothing of who logs, prunes or stores them."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from pipeline.batches import normalise, training_batch
from pipeline.config import Flat, Training, split_flat
from pipeline.data import Samples
from pipeline.errors import TrainingError
from pipeline.metrics import confusion_matrix, scores
from pipeline.models import Shapes, describe, lr_factors, rebuild, start_model
from pipeline.seeds import derive_seed

EVAL_BATCH = 512


@dataclass(frozen=True)
class Epoch:
    """One pass over `train` and its check on `val`.

    Losses in nats per image. The train values are means over the pass, in training mode and augmented,
    as the weights change; the val values are those of the weights after it. lr: at the end of the pass.
    """

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    train_macro_f1: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    val_sensitivity: float | None  # of calling the positive classes together; None without any
    val_specificity: float | None
    lr: float
    seconds: float


class Trainer:
    """Trains `config` on the development part; `model` holds the weights after the epoch yielded last.

    Same arguments, same thread count and same machine give the same weights.
    """

    def __init__(self, config: Flat, development: Samples, seed: int, device: str = "cpu") -> None:
        """Raises InputError if the model does not fit the images, or published weights the model.

        Raises ConfigError or ValidationError on a bad config.
        """
        leaves, options = split_flat(config)
        self.config = Training.model_validate(leaves)
        self.seed, self.device, self.digest = seed, torch.device(device), development.info["digest"]
        train_images, train_labels = development.part("train")
        val_images, val_labels = development.part("val")
        self.images = torch.from_numpy(train_images).to(self.device)  # (N, H, W, C) uint8
        self.labels = torch.from_numpy(train_labels).to(self.device)  # (N,) int64
        self.val_images, self.val_labels = val_images, val_labels
        _, height, width, channels = train_images.shape
        shapes = Shapes(channels, height, width, len(development.info["classes"]))
        self.description = {
            **describe(self.config.model, options.get(self.config.model.partition(":")[0], {}), shapes),
            **channel_statistics(train_images),
            "classes": development.info["classes"],
            "positive": development.info["positive"],
            "precision": self.config.precision,
        }
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, "weights"))
            model = start_model(self.config.model, self.description["options"], shapes)
        self.model = _channels_last(model.to(self.device))
        train = development.table["part"].to_numpy() == "train"
        self.groups = np.unique(development.table["group"].to_numpy()[train], return_inverse=True)[1]  # (N,)
        n_drawn = len(self._draw(torch.Generator()))
        # a last batch of one image would break batch norm
        self.n_steps = -(-n_drawn // self.config.batch_size)
        if n_drawn % self.config.batch_size == 1 and self.n_steps > 1:
            self.n_steps -= 1
        self.n_done = 0  # epochs
        weights = class_weights(self.labels, shapes.n_classes) if self.config.class_weights else None
        self.criterion = nn.CrossEntropyLoss(weights, label_smoothing=self.config.label_smoothing)
        self.optimizer = _optimizer(self.model, self.config)
        self.schedule = _schedule(self.optimizer, self.config, self.n_steps * self.config.n_epochs)

    def epochs(self) -> Iterator[Epoch]:
        """Raises TrainingError with epoch and step where the loss stops being finite."""
        n_classes = self.description["shapes"]["n_classes"]
        for epoch in range(self.n_done + 1, self.config.n_epochs + 1):
            start = time.perf_counter()
            with torch.random.fork_rng():
                torch.manual_seed(derive_seed(self.seed, "dropout", epoch))
                loss, confusion = self._pass(epoch, self.n_steps)
            probabilities = predict(self.model, self.description, self.val_images)
            val_loss = log_loss(probabilities, self.val_labels)
            if not np.isfinite(val_loss):
                raise TrainingError(f"the loss on val is {val_loss} after epoch {epoch}; lower lr")
            train = scores(confusion)
            confusion = confusion_matrix(self.val_labels, probabilities.argmax(1), n_classes)
            val, rates = scores(confusion), self._rates(confusion)
            self.n_done = epoch
            yield Epoch(
                epoch=epoch,
                train_loss=loss,
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

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to go on as if never interrupted; random numbers depend on seed and epoch alone."""
        return {
            "n_done": self.n_done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes the state of a trainer made with the same arguments."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.n_done = state["n_done"]

    def estimate_epoch_s(self, n_steps: int = 4) -> float:
        """Seconds of one epoch, from a few steps and one batch of `val`; the trainer is of no use afterwards."""
        n_steps = min(n_steps, self.n_steps)
        batch = self.val_images[:EVAL_BATCH]
        for _ in range(2):  # what comes first is slower
            start = time.perf_counter()
            self._pass(1, n_steps)
            trained = time.perf_counter()
            predict(self.model, self.description, batch)
        per_image = (time.perf_counter() - trained) / len(batch)
        return (trained - start) * self.n_steps / n_steps + per_image * len(self.val_images)

    def _pass(self, epoch: int, n_steps: int) -> tuple[float, np.ndarray]:
        """Mean loss and confusion matrix of the first steps of one pass over the training part."""
        self.model.train()
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "batches", epoch))
        order = self._draw(generator).to(self.device)
        n_classes = self.description["shapes"]["n_classes"]
        confusion = torch.zeros(n_classes * n_classes, dtype=torch.int64, device=self.device)
        losses = []
        for step in range(n_steps):
            rows = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            batch = training_batch(self.images, rows, self.config, self.description, generator)
            labels = self.labels[rows]
            with _autocast(self.device, self.config.precision):
                logits = self.model(batch)  # (B, K)
            loss = self.criterion(logits.float(), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.detach())
            confusion += torch.bincount(labels * n_classes + logits.argmax(1), minlength=n_classes * n_classes)
        values = torch.stack(losses)
        if not bool(values.isfinite().all()):
            step = int((~values.isfinite()).nonzero()[0]) + 1
            raise TrainingError(f"the loss is {values[step - 1]} at step {step} of epoch {epoch}; lower lr")
        return float(values.mean()), confusion.view(n_classes, n_classes).cpu().numpy()

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


def channel_statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation per channel on the 0-255 scale, of training images only.

    images: (N, H, W, C) uint8.
    """
    counts = np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])])  # (C, 256)
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(1)
    std = np.sqrt(counts @ levels**2 / counts.sum(1) - mean**2)
    return {"mean": mean.tolist(), "std": np.maximum(std, 1.0).tolist()}


@torch.inference_mode()
def predict(model: nn.Module, description: Mapping[str, Any], images: np.ndarray) -> np.ndarray:
    """Class probabilities (N, K) float32 of (N, H, W, C) uint8 images, in fixed batches, in evaluation mode."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = []
    for start in range(0, len(images), EVAL_BATCH):
        batch = torch.from_numpy(np.array(images[start : start + EVAL_BATCH])).to(device)
        with _autocast(device, description["precision"]):
            logits = model(normalise(batch.permute(0, 3, 1, 2), description))
        parts.append(logits.float().softmax(1).cpu().numpy())
    model.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, description["shapes"]["n_classes"]), np.float32)


def device() -> str:
    """The accelerator where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; no CUDA context is made."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(i) for i in range(torch.cuda.device_count())]
    return [name.strip() for name in named.split(",") if name.strip()] if torch.cuda.device_count() else []


def load_trained(description: Mapping[str, Any], weights: Path) -> nn.Module:
    """The rebuilt model, where and in the memory layout that training and prediction use."""
    return _channels_last(rebuild(description, weights).to(device()))


def _channels_last(model: nn.Module) -> nn.Module:
    return model.to(memory_format=torch.channels_last)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean -ln p of the true class, nats per image."""
    p = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(p, 1e-12)).mean())


def class_weights(labels: Tensor, n_classes: int) -> Tensor:
    """(K,) float32 proportional to 1 / class frequency, mean 1 over the images."""
    counts = torch.bincount(labels, minlength=n_classes).float()
    return counts.sum() / (n_classes * counts)


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _optimizer(model: nn.Module, config: Training) -> torch.optim.Optimizer:
    factors = lr_factors(model)
    groups = []
    for factor in sorted(set(factors.values()), key=lambda factor: (factor != 1, factor)):  # its own rate stands first
        part, lr = [p for p, of_part in factors.items() if of_part == factor], config.lr * factor
        decayed = [p for p in part if p.ndim > 1]
        other = [p for p in part if p.ndim <= 1]  # biases and norms: decay would only shift them
        groups += [{"params": decayed, "lr": lr, "weight_decay": config.weight_decay}]
        groups += [{"params": other, "lr": lr, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, config.lr)
    return torch.optim.AdamW(groups, config.lr)


def _schedule(optimizer: torch.optim.Optimizer, config: Training, n_steps: int) -> LRScheduler:
    """Learning rate per step; all groups follow one curve, each at its own height."""
    if config.schedule == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, n_steps, pct_start=0.25, cycle_momentum=False)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, n_steps)
    return LambdaLR(optimizer, lambda step: 1.0)
