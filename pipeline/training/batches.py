"""Batches of floats from bytes: normalised for any network, shuffled and augmented for training."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.artifacts.image_rows import ImageRows, Images
from pipeline.artifacts.samples import Samples
from pipeline.core.seeds import derive_seed
from pipeline.training.augmentation import random_numbers, training_batch
from pipeline.training.config import Training

FIT_IMAGES, FIT_BATCH = 5000, 250  # for layers whose first weights are fitted to images


def channel_statistics(images: Images) -> dict[str, list[float]]:
    """Return `mean` and `std` of each channel, on the scale of 0 to 255.

    images: (N, H, W, C) uint8, of the training part only.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), 1000):  # bincount takes eight bytes of memory per byte
        chunk = images[start : start + 1000]
        for c, channel in enumerate(counts):
            channel += np.bincount(chunk[..., c].ravel(), minlength=256)
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(1)
    std = np.sqrt(counts @ levels**2 / counts.sum(1) - mean**2)
    return {"mean": mean.tolist(), "std": np.maximum(std, 1.0).tolist()}


class Normaliser:
    """Turns bytes into numbers that have mean 0 and standard deviation 1 per channel on the training images."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, n_pixels: int, device: torch.device) -> None:
        """Repeat the statistics, on the scale of 0 to 255, for all pixels. n_pixels: pixels of an image."""
        # one value per pixel: an inner loop over three channels would be ten times slower
        self.mean = torch.tensor(mean, device=device).repeat(n_pixels)
        self.std = torch.tensor(std, device=device).repeat(n_pixels)

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) float32, channels-last in memory. images: (B, H, W, C) uint8."""
        values = images.flatten(1).float().sub_(self.mean).div_(self.std)
        return values.view(images.shape).permute(0, 3, 1, 2)


class Batches:
    """The part `train`, shuffled and augmented; what an epoch yields depends on the seed and its number alone."""

    def __init__(self, development: Samples, config: Training, seed: int, *, device: torch.device) -> None:
        images, labels = development.part("train")
        self.config = config
        self.seed = seed
        self.device = device
        # (N, H, W, C) uint8, on the device or read batch by batch
        self.images = images if isinstance(images, ImageRows) else torch.from_numpy(images).to(device)
        self.labels = torch.from_numpy(labels).to(device)  # (N,) int64
        in_train = development.table["part"].to_numpy() == "train"
        groups = development.table.loc[in_train, "group"].to_numpy()
        self.units = np.unique(groups, return_inverse=True)[1]  # (N,)
        self._balance: Tensor | None = None
        if config.balance_origins:
            self._balance = balanced_weights(labels, development.table.loc[in_train, "origin"].to_numpy())
        self.statistics = channel_statistics(images)
        self.normalise = Normaliser(**self.statistics, n_pixels=images.shape[1] * images.shape[2], device=device)
        n_drawn = len(self.draw(torch.Generator()))
        self.n_steps = -(-n_drawn // config.batch_size)
        if n_drawn % config.batch_size == 1 and self.n_steps > 1:
            self.n_steps -= 1  # a last batch of one image would break batch norm

    def of_epoch(self, epoch: int, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first` to before `last`.

        Each is (B, C, H, W) float32, train-normalised, and its labels (B,) int64.
        """
        order = self.draw(torch.Generator().manual_seed(derive_seed(self.seed, "batches", epoch)))
        if isinstance(self.images, Tensor):
            order = order.to(self.device)
        draws = random_numbers(self.config, len(self.images), self.seed, epoch, self.device)
        for step in range(first, last):
            rows = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            images, at = self._stored(rows)
            rows = rows.to(self.device)
            of_rows = {name: column[rows] for name, column in draws.items()}
            yield training_batch(images, at, self.config, self.normalise, of_rows), self.labels[rows]

    def _stored(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images on the device that hold these rows, (n, H, W, C) uint8, and the places of the rows, (B,)."""
        if isinstance(self.images, Tensor):
            return self.images, rows
        return self.read(rows.numpy()), torch.arange(len(rows), device=self.device)

    def read(self, index: slice | np.ndarray) -> Tensor:
        """Return images of the part on the device, (n, H, W, C) uint8. index: a slice, or (n,) rows."""
        images = self.images[index]
        return (images if isinstance(images, Tensor) else torch.from_numpy(images)).to(self.device)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the rows of one epoch in random order: at most `images_per_unit` of each unit, balanced if asked for.

        Balanced, as many rows are drawn with replacement, so that the number of steps is the same in every epoch.
        """
        order = torch.randperm(len(self.labels), generator=generator)
        if self.config.images_per_unit:
            units = pd.Series(self.units[order.numpy()])
            rank = units.groupby(units).cumcount().to_numpy()
            order = order[torch.from_numpy(rank < self.config.images_per_unit)]
        if self._balance is None:
            return order
        chosen = torch.multinomial(self._balance[order], len(order), replacement=True, generator=generator)
        return order[chosen]

    def not_augmented(self) -> Iterator[Tensor]:
        """Yield the first images of the part in row order, (B, C, H, W) float32, train-normalised."""
        for start in range(0, min(FIT_IMAGES, len(self.images)), FIT_BATCH):
            yield self.normalise(self.read(slice(start, start + FIT_BATCH)))


def balanced_weights(labels: np.ndarray, origins: np.ndarray) -> Tensor:
    """Return how often each image is drawn, (N,) float32: the collections of a class equally often in sum.

    labels: (N,); origins: (N,) names. The classes keep their shares.
    """
    table = pd.DataFrame({"label": labels, "origin": origins})
    of_class = table.groupby("label")["label"].transform("size")
    of_origin = table.groupby(["label", "origin"])["label"].transform("size")
    n_origins = table.groupby("label")["origin"].transform("nunique")
    return torch.from_numpy((of_class / (n_origins * of_origin)).to_numpy(np.float32))


def class_weights(labels: Tensor, n_classes: int) -> Tensor:
    """Return (K,) float32 proportional to 1 / class frequency, with mean 1 over the images."""
    counts = torch.bincount(labels, minlength=n_classes).float()
    return counts.sum() / (n_classes * counts)
