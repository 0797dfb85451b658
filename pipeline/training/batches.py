"""The training images, batch by batch: which of them an epoch draws, and in which order."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.artifacts.samples import Samples
from pipeline.core.seeds import derive_seed
from pipeline.training.augmentation import RandomNumbers, training_batch
from pipeline.training.config import Training
from pipeline.training.normalisation import Normaliser, channel_statistics

FIT_IMAGES, FIT_BATCH = 5000, 250  # for layers whose first weights are fitted to images


class Batches:
    """The part `train`, shuffled and augmented; what an epoch yields depends on the seed and its number alone."""

    def __init__(self, development: Samples, config: Training, seed: int, *, device: torch.device) -> None:
        images, labels = development.part("train")
        self.config = config
        self.seed = seed
        self.images = torch.from_numpy(images).to(device)  # (N, H, W, C) uint8
        self.labels = torch.from_numpy(labels).to(device)  # (N,) int64
        in_train = development.table["part"].to_numpy() == "train"
        self.groups = np.unique(development.table["group"].to_numpy()[in_train], return_inverse=True)[1]  # (N,)
        self.statistics = channel_statistics(images)
        self.normalise = Normaliser(**self.statistics, n_pixels=images.shape[1] * images.shape[2], device=device)
        n_drawn = len(self.draw(torch.Generator()))
        self.n_steps = -(-n_drawn // config.batch_size)
        if n_drawn % config.batch_size == 1 and self.n_steps > 1:
            self.n_steps -= 1  # a last batch of one image would break batch norm

    def of_epoch(self, epoch: int, n_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the first batches of an epoch: (B, C, H, W) float32, train-normalised, and labels (B,) int64."""
        order = self.draw(torch.Generator().manual_seed(derive_seed(self.seed, "batches", epoch)))
        order = order.to(self.images.device)
        draws = RandomNumbers.of_epoch(self.config, len(self.images), self.seed, epoch, self.images.device)
        for step in range(n_steps):
            rows = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            yield training_batch(self.images, rows, self.config, self.normalise, draws), self.labels[rows]

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the rows of one epoch in random order, at most `images_per_group` from each duplicate group."""
        order = torch.randperm(len(self.labels), generator=generator)
        if not self.config.images_per_group:
            return order
        groups = self.groups[order.numpy()]
        by_group = np.argsort(groups, kind="stable")
        rank = np.empty(len(groups), np.int64)
        rank[by_group] = np.arange(len(groups)) - np.searchsorted(groups[by_group], groups[by_group])
        return order[torch.from_numpy(rank < self.config.images_per_group)]

    def not_augmented(self) -> Iterator[Tensor]:
        """Yield the first images of the part in row order, (B, C, H, W) float32, train-normalised."""
        for start in range(0, min(FIT_IMAGES, len(self.images)), FIT_BATCH):
            yield self.normalise(self.images[start : start + FIT_BATCH])


def class_weights(labels: Tensor, n_classes: int) -> Tensor:
    """Return (K,) float32 proportional to 1 / class frequency, with mean 1 over the images."""
    counts = torch.bincount(labels, minlength=n_classes).float()
    return counts.sum() / (n_classes * counts)
