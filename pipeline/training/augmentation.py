"""From rows of uint8 images to a batch of floats, augmented at random; vectorised, on the device of the images.

What happens to an image in a pass is a function of seed, epoch and image alone: neither the order nor the size of the
batches changes it.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.core.seeds import derive_seed
from pipeline.training.config import Training
from pipeline.training.normalisation import Normaliser


class RandomNumbers:
    """The random numbers of one pass, uniform in [0, 1): a named column for each decision, a row for each image."""

    def __init__(self, columns: Mapping[str, Tensor]) -> None:
        """columns: (N,) float32 each."""
        self.columns = columns

    @classmethod
    def of_epoch(cls, config: Training, n: int, seed: int, epoch: int, device: torch.device) -> "RandomNumbers":
        """Those of `n` images that `config` asks for."""
        used = {
            "flip_x": config.flip != "none",
            "flip_y": config.flip == "both",
            **dict.fromkeys(("shift_y", "shift_x"), config.shift > 0),
            **dict.fromkeys(("angle", "zoom"), warps(config)),
            **dict.fromkeys(("contrast", "brightness"), config.intensity > 0),
            **dict.fromkeys(("cut_y", "cut_x"), config.cutout > 0),
        }
        if not any(used.values()):
            return cls({})
        drawn = _uniform(len(used), n, derive_seed(seed, "augment", epoch))  # of all, so that none depends on another
        columns = {name: column for name, column in zip(used, drawn, strict=True) if used[name]}
        if config.flip == "alternating":  # a side by lot for the first epoch, and then the other each time
            first = _uniform(1, n, derive_seed(seed, "first side"))[0]
            columns["flip_x"] = first if epoch % 2 else 1 - first
        return cls({name: column.to(device) for name, column in columns.items()})

    def of(self, rows: Tensor) -> "RandomNumbers":
        return RandomNumbers({name: column[rows] for name, column in self.columns.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    def around_zero(self, name: str) -> Tensor:
        """Uniform in [-1, 1)."""
        return self.columns[name] * 2 - 1


def _uniform(n_columns: int, n: int, seed: int) -> Tensor:
    return torch.rand(n_columns, n, generator=torch.Generator().manual_seed(seed))


def training_batch(
    images: Tensor, rows: Tensor, config: Training, normalise: Normaliser, draws: RandomNumbers
) -> Tensor:
    """(B, C, H, W) float32, train-normalised and augmented.

    images: (N, H, W, C) uint8; rows: (B,) int64; draws: of all N images.
    """
    draws = draws.of(rows)
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


def gather_batch(images: Tensor, rows: Tensor, config: Training, draws: RandomNumbers) -> Tensor:
    """The chosen images, flipped and shifted, in one gather; pixels shifted in from outside mirror the border.

    images: (N, H, W, C) uint8; rows: (B,) int64; draws: of these rows. Returns (B, H, W, C) uint8.
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
    """(B, 1) whole pixels, uniform in ± largest_px."""
    return (draws * (2 * largest_px + 1)).long()[:, None] - largest_px


def _mirror(at: Tensor, size: int) -> Tensor:
    """Folds coordinates outside [0, size) back in, without repeating the border pixel."""
    return (size - 1) - (size - 1 - at.abs()).abs()


def warp_batch(batch: Tensor, largest_deg: float, zoom: float, draws: RandomNumbers) -> Tensor:
    """Each image turned about its centre and magnified, bilinear; outside lies the border.

    The angle is uniform in ±largest_deg, the logarithm of the magnification uniform in ±ln(1 + zoom).
    batch: (B, C, H, W) float32. Returns the same shape.
    """
    angle = draws.around_zero("angle") * math.radians(largest_deg)
    shrink = (-draws.around_zero("zoom") * math.log1p(zoom)).exp()
    aspect = batch.shape[2] / batch.shape[3]
    cos, sin, zero = angle.cos() * shrink, angle.sin() * shrink, torch.zeros_like(angle)
    # grid_sample's coordinates run from -1 to 1 along each side, so turning a non-square image needs its aspect
    turn = torch.stack([torch.stack([cos, -sin * aspect, zero], 1), torch.stack([sin / aspect, cos, zero], 1)], 1)
    grid = F.affine_grid(turn, list(batch.shape), align_corners=False)  # (B, H, W, 2)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter_intensity(batch: Tensor, largest: float, draws: RandomNumbers) -> Tensor:
    """Each image scaled by a factor uniform in 1 ± largest and shifted by up to ± largest.

    batch: (B, C, H, W) float32, train-normalised, so that 1 is one standard deviation. Returns the same shape.
    """
    scale, shift = (draws.around_zero(name).view(-1, 1, 1, 1) * largest for name in ("contrast", "brightness"))
    return batch * (1 + scale) + shift


def cut_out(batch: Tensor, share: float, draws: RandomNumbers) -> Tensor:
    """A square of `share` of the shorter side, its centre anywhere in the image, set to the training mean.

    batch: (B, C, H, W) float32, train-normalised. Returns the same shape. Source: DeVries, Taylor 2017,
    arXiv:1708.04552.
    """
    height, width = batch.shape[2:]
    side = round(share * min(height, width))
    rows, columns = _within(draws["cut_y"], height, side), _within(draws["cut_x"], width, side)
    return batch.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _within(draws: Tensor, size: int, side: int) -> Tensor:
    """(B, size) bool: `side` neighbours about a centre drawn from `size`, what falls outside left out."""
    first = (draws * size).long()[:, None] - side // 2
    at = torch.arange(size, device=draws.device)
    return (at >= first) & (at < first + side)
