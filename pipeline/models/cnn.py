"""Plain convolutional networks; the two-convolution networks of the practicals are points of this family.

`depth` blocks of [`convs` convolutions, pooling, `convs_1x1` convolutions with 1x1 kernels], whose channels grow by a
factor of `growth` from block to block; then flattening or a global average, and up to two hidden linear layers.
"""

from typing import Literal

from pydantic import Field
from torch import nn

from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.layers import conv_output_px, require_pixels
from pipeline.models.registry import Shapes, register


class CnnOptions(Strict):
    depth: Integer = Field(2, ge=1, le=8, description="blocks, each ending in pooling")
    convs: Integer = Field(1, ge=1, le=3, description="convolutions per block")
    width: Integer = Field(16, ge=1, le=1024, description="channels of the first block")
    growth: Number = Field(2.0, ge=1, le=4, description="channels of a block / channels of the block before")
    kernel: Integer = Field(3, ge=1, le=11, description="side of the convolution kernels, pixels")
    padding: Literal["same", "valid"] = Field("same", description="same: odd kernels keep the size; valid: no padding")
    pooling: Literal["max", "average", "stride"] = Field(
        "max", description="2x2 pooling, or stride 2 in the last convolution of the block"
    )
    batch_norm: bool = Field(False, description="normalise after each convolution (its bias is then dropped)")
    order: Literal["norm_relu_pool", "relu_norm_pool", "norm_pool_relu"] = Field(
        "norm_relu_pool", description="what follows a convolution; pooling only after the last of a block"
    )
    convs_1x1: Integer = Field(0, ge=0, le=3, description="1x1 convolutions after the pooling of a block")
    head: Literal["flatten", "average"] = Field("flatten", description="how the last block turns into features")
    hidden: Integer = Field(0, ge=0, le=8192, description="units of a hidden layer; 0: no layer")
    hidden2: Integer = Field(0, ge=0, le=8192, description="units of a second hidden layer; 0: no layer")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of features dropped before the output")


@register("cnn", CnnOptions)
def build(options: CnnOptions, shapes: Shapes) -> nn.Module:
    if options.hidden2 and not options.hidden:
        raise InputError(f"cnn: hidden2={options.hidden2} needs a first hidden layer; set hidden, or hidden2 to 0")
    layers: list[nn.Module] = []
    channels = shapes.channels
    height, width = shapes.height, shapes.width
    padding = options.kernel // 2 if options.padding == "same" else 0
    for block in range(options.depth):
        out = round(options.width * options.growth**block)
        for i in range(options.convs):
            last = i == options.convs - 1
            stride = 2 if options.pooling == "stride" and last else 1
            layers.append(nn.Conv2d(channels, out, options.kernel, stride, padding, bias=not options.batch_norm))
            layers += _after_convolution(options, out, last)
            channels = out
            height = conv_output_px(height, options.kernel, padding, stride)
            width = conv_output_px(width, options.kernel, padding, stride)
        if options.pooling != "stride":
            height, width = height // 2, width // 2
        for _ in range(options.convs_1x1):
            layers.append(nn.Conv2d(out, out, 1, bias=not options.batch_norm))
            layers += _after_convolution(options, out, pooled=False)
        require_pixels(min(height, width), "cnn", f"block {block + 1} of {options.depth}")
    n = channels * height * width
    if options.head == "average":
        layers.append(nn.AdaptiveAvgPool2d(1))
        n = channels
    layers.append(nn.Flatten())  # (B, channels, H, W) -> (B, n)
    for units in filter(None, (options.hidden, options.hidden2)):
        layers += [nn.Linear(n, units), nn.ReLU()]
        n = units
    return nn.Sequential(*layers, nn.Dropout(options.dropout), nn.Linear(n, shapes.n_classes))


def _after_convolution(options: CnnOptions, channels: int, pooled: bool) -> list[nn.Module]:
    """Return what follows a convolution, in the order that the options name."""
    pooling = nn.MaxPool2d(2) if options.pooling == "max" else nn.AvgPool2d(2)
    steps: dict[str, list[nn.Module]] = {
        "norm": [nn.BatchNorm2d(channels)] if options.batch_norm else [],
        "relu": [nn.ReLU()],
        "pool": [pooling] if pooled and options.pooling != "stride" else [],
    }
    return [layer for step in options.order.split("_") for layer in steps[step]]
