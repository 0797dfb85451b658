"""From rows of uint8 images to a batch of floats, augmented at random; vectorised, from a passed generator."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.config import Training


def training_batch(
    images: Tensor, rows: Tensor, config: Training, statistics: Mapping[str, Any], generator: torch.Generator
) -> Tensor:
    """(B, C, H, W) float32, train-normalised and augmented. images: (N, H, W, C) uint8; rows: (B,) int64."""
    batch = normalise(gather_batch(images, rows, config, generator), statistics)
    if config.rotate_deg or config.zoom:
        batch = warp_batch(batch, config.rotate_deg, config.zoom, generator)
    if config.intensity:
        batch = jitter_intensity(batch, config.intensity, generator)
    return batch


def normalise(batch: Tensor, statistics: Mapping[str, Any]) -> Tensor:
    """(B, C, H, W) uint8 to float32 with the training part's mean 0 and deviation 1 per channel."""
    mean, std = (torch.tensor(statistics[k], device=batch.device).view(1, -1, 1, 1) for k in ("mean", "std"))
    return (batch.float() - mean) / std


def gather_batch(images: Tensor, rows: Tensor, config: Training, generator: torch.Generator) -> Tensor:
    """The chosen images, flipped and shifted, in one gather.

    images: (N, H, W, C) uint8; rows: (B,) int64. Returns (B, C, H, W) uint8, channels-last in memory.
    Pixels shifted in from outside mirror the border.
    """
    if config.flip == "none" and not config.shift:
        return images[rows].permute(0, 3, 1, 2)
    n, (height, width) = len(rows), images.shape[1:3]
    y = torch.arange(height).expand(n, height)
    x = torch.arange(width).expand(n, width)
    if config.flip != "none":
        x = torch.where(_coins(n, generator), width - 1 - x, x)
    if config.flip == "both":
        y = torch.where(_coins(n, generator), height - 1 - y, y)
    if config.shift:
        y = y + _offsets(n, round(config.shift * height), generator)
        x = x + _offsets(n, round(config.shift * width), generator)
    y, x = (_mirror(at, size).to(images.device) for at, size in ((y, height), (x, width)))
    batch = images[rows[:, None, None], y[:, :, None], x[:, None, :]]  # (B, H, W, C)
    return batch.permute(0, 3, 1, 2)


def _coins(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, generator=generator) < 0.5


def _offsets(n: int, largest_px: int, generator: torch.Generator) -> Tensor:
    return torch.randint(-largest_px, largest_px + 1, (n, 1), generator=generator)


def _mirror(at: Tensor, size: int) -> Tensor:
    """Folds coordinates outside [0, size) back in, without repeating the border pixel."""
    return (size - 1) - (size - 1 - at.abs()).abs()


def warp_batch(batch: Tensor, largest_deg: float, zoom: float, generator: torch.Generator) -> Tensor:
    """Each image turned about its centre and magnified, bilinear; outside lies the border.

    The angle is uniform in ±largest_deg, the logarithm of the magnification uniform in ±ln(1 + zoom).
    batch: (B, C, H, W) float32. Returns the same shape.
    """
    angle, log_scale = torch.rand(2, len(batch), generator=generator) * 2 - 1
    angle, shrink = angle * math.radians(largest_deg), (-log_scale * math.log1p(zoom)).exp()
    aspect = batch.shape[2] / batch.shape[3]
    cos, sin, zero = angle.cos() * shrink, angle.sin() * shrink, torch.zeros_like(angle)
    # grid_sample's coordinates run from -1 to 1 along each side, so turning a non-square image needs its aspect
    turn = torch.stack([torch.stack([cos, -sin * aspect, zero], 1), torch.stack([sin / aspect, cos, zero], 1)], 1)
    grid = F.affine_grid(turn, list(batch.shape), align_corners=False).to(batch.device)  # (B, H, W, 2)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter_intensity(batch: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Each image scaled by a factor uniform in 1 ± largest and shifted by up to ± largest.

    batch: (B, C, H, W) float32, train-normalised, so that 1 is one standard deviation. Returns the same shape.
    """
    changes = (torch.rand(2, len(batch), 1, 1, 1, generator=generator) * 2 - 1) * largest
    scale, shift = changes.to(batch.device).unbind()
    return batch * (1 + scale) + shift
