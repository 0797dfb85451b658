"""Batches of floats from rows of uint8 images, randomly augmented; vectorised, on the device of the images.

The augmentation of an image depends on seed, epoch and image alone, not on the order or the size of the batches.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.core.seeds import derive_seed
from pipeline.training.config import Training

Draws = Mapping[str, Tensor]  # name of a decision -> (N,) float32, a random number in [0, 1) for each image


def random_numbers(config: Training, n: int, seed: int, epoch: int, device: torch.device) -> Draws:
    """Draw the numbers that the configuration needs in one epoch, for `n` images."""
    used = {
        "flip_x": config.flip != "none",
        "flip_y": config.flip == "both",
        **dict.fromkeys(("shift_y", "shift_x"), config.shift > 0),
        **dict.fromkeys(("angle", "zoom"), warps(config)),
        **dict.fromkeys(("contrast", "brightness"), config.intensity > 0),
        **dict.fromkeys(("cut_y", "cut_x"), config.cutout > 0),
    }
    if not any(used.values()):
        return {}
    # unused columns are drawn, too, so that switching one augmentation on does not change the others
    drawn = _uniform(len(used), n, derive_seed(seed, "augment", epoch))
    columns = {name: column for name, column in zip(used, drawn, strict=True) if used[name]}
    if config.flip == "alternating":  # a random side in the first epoch, then both sides in turn
        first = _uniform(1, n, derive_seed(seed, "first side"))[0]
        columns["flip_x"] = first if epoch % 2 else 1 - first
    return {name: column.to(device) for name, column in columns.items()}


def _uniform(n_columns: int, n: int, seed: int) -> Tensor:
    return torch.rand(n_columns, n, generator=torch.Generator().manual_seed(seed))


def training_batch(
    images: Tensor, rows: Tensor, config: Training, normalise: Callable[[Tensor], Tensor], draws: Draws
) -> Tensor:
    """Return (B, C, H, W) float32, train-normalised and augmented.

    images: (N, H, W, C) uint8; rows: (B,) int64; draws: numbers of these rows.
    """
    batch = normalise(gather_batch(images, rows, config, draws))
    if warps(config):
        batch = warp_batch(batch, config.rotate_deg, config.zoom, draws)
    if config.intensity:
        batch = jitter_intensity(batch, config.intensity, draws)
    if config.cutout:
        batch = cut_out(batch, config.cutout, draws)
    return batch


def warps(config: Training) -> bool:
    return config.rotate_deg > 0 or config.zoom > 0


def gather_batch(images: Tensor, rows: Tensor, config: Training, draws: Draws) -> Tensor:
    """Select images, flipped and shifted, in one gather; pixels from outside the image mirror its border.

    images: (N, H, W, C) uint8; rows: (B,) int64; draws: numbers of these rows. Returns (B, H, W, C) uint8.
    """
    if config.flip == "none" and not config.shift:
        return images.index_select(0, rows)
    n, (height, width) = len(rows), images.shape[1:3]
    y = torch.arange(height, device=images.device).expand(n, height)
    x = torch.arange(width, device=images.device).expand(n, width)
    if config.flip != "none":
        x = torch.where((draws["flip_x"] < 0.5)[:, None], width - 1 - x, x)
    if config.flip == "both":
        y = torch.where((draws["flip_y"] < 0.5)[:, None], height - 1 - y, y)
    if config.shift:
        y = y + _offsets(draws["shift_y"], round(config.shift * height))
        x = x + _offsets(draws["shift_x"], round(config.shift * width))
    y, x = _mirror(y, height), _mirror(x, width)
    return images[rows[:, None, None], y[:, :, None], x[:, None, :]]


def _offsets(draws: Tensor, largest_px: int) -> Tensor:
    """Return (B, 1) whole pixels, uniform in ± largest_px."""
    return (draws * (2 * largest_px + 1)).long()[:, None] - largest_px


def _mirror(at: Tensor, size: int) -> Tensor:
    """Fold coordinates outside [0, size) back in, without repeating the border pixel."""
    return (size - 1) - (size - 1 - at.abs()).abs()


def _around_zero(draws: Tensor) -> Tensor:
    return draws * 2 - 1


def warp_batch(batch: Tensor, largest_deg: float, zoom: float, draws: Draws) -> Tensor:
    """Rotate each image about its centre and magnify it, bilinearly; the border extends outwards.

    The angle is uniform in ±largest_deg, the logarithm of the magnification uniform in ±ln(1 + zoom).
    batch: (B, C, H, W) float32. Returns the same shape.
    """
    angle = _around_zero(draws["angle"]) * math.radians(largest_deg)
    shrink = (-_around_zero(draws["zoom"]) * math.log1p(zoom)).exp()
    aspect = batch.shape[2] / batch.shape[3]
    cos, sin = angle.cos() * shrink, angle.sin() * shrink
    zero = torch.zeros_like(angle)
    # grid_sample's coordinates run from -1 to 1 along each side, so rotating a non-square image needs its aspect
    rotation = torch.stack([torch.stack([cos, -sin * aspect, zero], 1), torch.stack([sin / aspect, cos, zero], 1)], 1)
    grid = F.affine_grid(rotation, list(batch.shape), align_corners=False)  # (B, H, W, 2)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter_intensity(batch: Tensor, largest: float, draws: Draws) -> Tensor:
    """Multiply each image by a factor uniform in 1 ± largest, and add a number uniform in ± largest.

    batch: (B, C, H, W) float32, train-normalised: 1 is one standard deviation. Returns the same shape.
    """
    scale = _around_zero(draws["contrast"]).view(-1, 1, 1, 1) * largest
    shift = _around_zero(draws["brightness"]).view(-1, 1, 1, 1) * largest
    return batch * (1 + scale) + shift


def cut_out(batch: Tensor, share: float, draws: Draws) -> Tensor:
    """Set a square to the training mean: its side is `share` of the shorter side, its centre anywhere in the image.

    batch: (B, C, H, W) float32, train-normalised. Returns the same shape. Source: DeVries, Taylor 2017,
    arXiv:1708.04552.
    """
    height, width = batch.shape[2:]
    side = round(share * min(height, width))
    rows, columns = _within(draws["cut_y"], height, side), _within(draws["cut_x"], width, side)
    return batch.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _within(draws: Tensor, size: int, side: int) -> Tensor:
    """Return (B, size) bool: `side` neighbours around a centre drawn from `size`, clipped at the ends."""
    first = (draws * size).long()[:, None] - side // 2
    at = torch.arange(size, device=draws.device)
    return (at >= first) & (at < first + side)
