"""Residual networks with squeeze-and-excitation, small enough for scans of 128 px.

A 3x3 stem at full size, then `depth` stages of `blocks` residual blocks, a global average and one linear layer. Each
stage halves the side, and each but the first doubles the channels.

Source: He et al. 2016, arXiv:1512.03385 (blocks); Hu et al. 2018, arXiv:1709.01507 (squeeze-and-excitation).
"""

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.registry import Shapes, register


class SeResnetOptions(Strict):
    depth: Integer = Field(4, ge=1, le=6, description="stages, each halving the side")
    width: Integer = Field(16, ge=1, le=512, description="channels of the first stage; every next doubles them")
    blocks: Integer = Field(2, ge=1, le=8, description="residual blocks per stage")
    reduction: Integer = Field(8, ge=1, le=64, description="channels / hidden units of the excitation")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of features dropped before the output")


class SqueezeExcite(nn.Module):
    """A gate for each channel, computed from the means of all channels."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def gate(self, x: Tensor) -> Tensor:
        """Return (B, C, 1, 1) in (0, 1) for (B, C, H, W)."""
        means = x.mean((2, 3))  # (B, C)
        gate: Tensor = self.excite(F.relu(self.squeeze(means))).sigmoid()
        return gate[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class Block(nn.Module):
    """Two 3x3 convolutions, gated and added to their input, which a 1x1 convolution projects if the shape changes."""

    def __init__(self, channels: int, out: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
            SqueezeExcite(out, reduction),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.skip = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.relu(self.residual(x) + self.skip(x))


@register("se_resnet", SeResnetOptions)
def build(options: SeResnetOptions, shapes: Shapes) -> nn.Module:
    channels = options.width
    layers: list[nn.Module] = [
        nn.Conv2d(shapes.channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
    for stage in range(options.depth):
        out = options.width * 2**stage
        for block in range(options.blocks):
            layers.append(Block(channels, out, 2 if block == 0 else 1, options.reduction))
            channels = out
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),  # (B, channels, 1, 1) -> (B, channels)
        nn.Dropout(options.dropout),
        nn.Linear(channels, shapes.n_classes),
    )
