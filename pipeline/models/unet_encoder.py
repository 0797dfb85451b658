"""The contracting half of a U-Net as a classifier: four encoders, the bottleneck, its global average, one linear layer.

The weights may start from a U-Net that was trained to outline tumours. `checkpoint` names a state dict with these keys
for each of encoder1 ... encoder4 (short enc1 ... enc4) and bottleneck (short bottleneck), with K = 1, 2:

    <part>.<short>convK.weight                                           3x3 kernels, no bias
    <part>.<short>normK.{weight, bias, running_mean, running_var}        batch norm

This is the layout of the public brain-segmentation U-Net (github.com/mateuszbuda/brain-segmentation-pytorch, MIT;
width 32, 3 input channels, 256 px). Keys of the decoder are ignored.

Source: Ronneberger et al. 2015, arXiv:1505.04597; Buda et al. 2019, doi:10.1016/j.compbiomed.2019.05.002.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from torch import nn

from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.layers import ScaledLearningRate, require_pixels
from pipeline.models.pretrained import fit_state, read_state, sum_input_channels
from pipeline.models.registry import Shapes, register

N_ENCODERS = 4
FIRST = "encoder1.enc1conv1.weight"


class UnetEncoderOptions(Strict):
    width: Integer = Field(32, ge=1, le=256, description="channels of encoder 1; every next part doubles them")
    checkpoint: str = Field("", description="state-dict file of a U-Net to start from; empty: random weights")
    freeze: Literal["none", "encoder"] = Field(
        "none", description="encoder: its weights and statistics stay fixed; only bottleneck and classifier learn"
    )
    bottleneck_lr_scale: Number = Field(1.0, gt=0, le=100, description="factor on lr for the bottleneck")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of features dropped before the output")


class Frozen(nn.Sequential):
    """Layers that do not learn, and that use their own batch-norm statistics in training, too."""

    def __init__(self, layers: OrderedDict[str, nn.Module]) -> None:
        super().__init__(layers)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


def load(model: nn.Module, options: UnetEncoderOptions, shapes: Shapes) -> None:
    """Load the checkpoint that the options name. Raises InputError naming what it lacks."""
    if not options.checkpoint:
        return
    state = read_state(Path(options.checkpoint))
    if shapes.channels == 1 and FIRST in state and state[FIRST].ndim == 4:
        state[FIRST] = sum_input_channels(state[FIRST])
    fit_state(model, state, f"unet_encoder: {options.checkpoint}", fresh=("classifier.",))


@register("unet_encoder", UnetEncoderOptions, load=load)
def build(options: UnetEncoderOptions, shapes: Shapes) -> nn.Module:
    require_pixels(min(shapes.height, shapes.width) // 2**N_ENCODERS, "unet_encoder", f"pooling {N_ENCODERS}")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = shapes.channels
    for i in range(1, N_ENCODERS + 1):
        out = options.width * 2 ** (i - 1)
        encoder = _block(f"enc{i}", channels, out)
        layers[f"encoder{i}"] = Frozen(encoder) if options.freeze == "encoder" else nn.Sequential(encoder)
        layers[f"pool{i}"] = nn.MaxPool2d(2)
        channels = out
    layers["bottleneck"] = ScaledLearningRate(_block("bottleneck", channels, 2 * channels), options.bottleneck_lr_scale)
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()  # (B, 16 * width, 1, 1) -> (B, 16 * width)
    layers["dropout"] = nn.Dropout(options.dropout)
    layers["classifier"] = nn.Linear(2 * channels, shapes.n_classes)
    return nn.Sequential(layers)


def _block(name: str, channels: int, out: int) -> OrderedDict[str, nn.Module]:
    """Return two of [3x3 convolution, batch norm, ReLU], named as in the checkpoint."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k in (1, 2):
        layers[f"{name}conv{k}"] = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        layers[f"{name}norm{k}"] = nn.BatchNorm2d(out)
        layers[f"{name}relu{k}"] = nn.ReLU()
        channels = out
    return layers
