"""Whitened CNN: a small network without residuals whose first layer whitens patches, after the CIFAR-10 speed records.

A frozen 2x2 convolution whitens patches of the training images. Three groups of [3x3 convolution, pooling, batch norm,
activation, and `convs` - 1 times 3x3 convolution, batch norm, activation] follow, then a global maximum and one scaled
linear layer. Convolutions start as the identity on their first channels; batch norms shift, but do not scale.
Pooling drops the last row of an odd side, so the convolution before it does not compute that row, which saves 4.5 % of
a step on CIFAR-10.

Source: Jordan 2024, arXiv:2404.00498 (whitening, identity, scaling); its network has width 64 and growth 4.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.layers import FittedToImages, require_pixels
from pipeline.models.registry import Shapes, register

PATCH_PX = 2
N_GROUPS = 3


class WhitenedCnnOptions(Strict):
    width: Integer = Field(64, ge=1, le=512, description="channels of the first group")
    growth: Number = Field(4.0, ge=1, le=8, description="factor on the channels of the other two groups")
    convs: Integer = Field(2, ge=1, le=4, description="3x3 convolutions per group")
    activation: Literal["gelu", "relu"] = Field("gelu", description="gelu as published; relu costs less")
    scale: Number = Field(1 / 9, gt=0, le=1, description="factor on the outputs")


class Whitening(nn.Conv2d, FittedToImages):
    """Projections of patches on the principal axes of the training patches and their negatives, at unit variance.

    Maps (B, C, H, W) to (B, 2 * 4 C, H - 1, W - 1). Only the bias learns.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels * PATCH_PX**2, PATCH_PX)
        self.weight.requires_grad_(False)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute the axes. batches: (B, C, H, W) float32 each, train-normalised."""
        moments = torch.zeros((), device=self.weight.device)
        n = 0
        for images in batches:
            patches = F.unfold(images, PATCH_PX).transpose(1, 2).flatten(0, 1).double()  # (n, C * 4)
            moments = moments + patches.T @ patches
            n += len(patches)
        variances, axes = torch.linalg.eigh(moments / n)  # axes in columns
        rows = (axes / (variances + 5e-4).sqrt()).T.flip(0)  # the largest variance first
        signs = rows.sum(1, keepdim=True).sign() + (rows.sum(1, keepdim=True) == 0)  # eigh does not determine them
        kernels = (rows * signs).reshape(-1, *self.weight.shape[1:])
        with torch.no_grad():
            self.weight.copy_(torch.cat([kernels, -kernels]))
            assert self.bias is not None
            self.bias.zero_()


class Scaled(nn.Module):
    """Multiplies by a fixed factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


@register("whitened_cnn", WhitenedCnnOptions)
def build(options: WhitenedCnnOptions, shapes: Shapes) -> nn.Module:
    require_pixels((min(shapes.height, shapes.width) - 1) // 2**N_GROUPS, "whitened_cnn", f"pooling {N_GROUPS}")
    activation: type[nn.Module] = nn.GELU if options.activation == "gelu" else nn.ReLU
    layers: list[nn.Module] = [Whitening(shapes.channels), activation()]
    channels = 2 * shapes.channels * PATCH_PX**2
    height, width = shapes.height - 1, shapes.width - 1
    for out in (options.width, *(N_GROUPS - 1) * [round(options.width * options.growth)]):
        border = nn.ZeroPad2d((1, 1 - width % 2, 1, 1 - height % 2))
        layers += [border, _identity(channels, out, padding=0), nn.MaxPool2d(2), _norm(out), activation()]
        for _ in range(options.convs - 1):
            layers += [_identity(out, out, padding=1), _norm(out), activation()]
        channels = out
        height, width = height // 2, width // 2
    return nn.Sequential(
        *layers,
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),  # (B, channels, 1, 1) -> (B, channels)
        nn.Linear(channels, shapes.n_classes, bias=False),
        Scaled(options.scale),
    )


def _identity(channels: int, out: int, padding: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, out, 3, padding=padding, bias=False)
    nn.init.dirac_(layer.weight[: layer.in_channels].data)
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer
