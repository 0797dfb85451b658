"""TODO training.normalisation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def channel_statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation per channel on the 0-255 scale, of training images only.

    images: (N, H, W, C) uint8.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), 1000):  # bincount needs eight bytes for each byte
        for c, channel in enumerate(counts):
            channel += np.bincount(images[start : start + 1000, ..., c].ravel(), minlength=256)
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(1)
    std = np.sqrt(counts @ levels**2 / counts.sum(1) - mean**2)
    return {"mean": mean.tolist(), "std": np.maximum(std, 1.0).tolist()}


class Normaliser:
    """From bytes to numbers of mean 0 and deviation 1 per channel, by what the description of a model says of them."""

    def __init__(self, description: Mapping[str, Any], device: torch.device) -> None:
        """description: has `mean` and `std` per channel, on the 0-255 scale, and the `shapes` of the images."""
        n_pixels = description["shapes"]["height"] * description["shapes"]["width"]
        # written out for every pixel: an inner loop over three channels would be ten times slower
        self.mean, self.std = (torch.tensor(description[k], device=device).repeat(n_pixels) for k in ("mean", "std"))

    def __call__(self, images: Tensor) -> Tensor:
        """images: (B, H, W, C) uint8. Returns (B, C, H, W) float32, channels-last in memory."""
        values = images.flatten(1).float().sub_(self.mean).div_(self.std)
        return values.view(images.shape).permute(0, 3, 1, 2)
