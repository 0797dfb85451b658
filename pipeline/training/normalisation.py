"""Normalisation of images by the mean and standard deviation of each channel."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def channel_statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Return `mean` and `std` of each channel, on the scale of 0 to 255.

    images: (N, H, W, C) uint8, of the training part only.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), 1000):  # bincount takes eight bytes of memory per byte
        for c, channel in enumerate(counts):
            channel += np.bincount(images[start : start + 1000, ..., c].ravel(), minlength=256)
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
