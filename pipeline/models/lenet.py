"""LeNet as in the CIFAR-10 practical: two 5x5 convolutions, each with 2x2 pooling, and one hidden layer.

Source: LeCun et al. 1998, doi:10.1109/5.726791; ReLU and max pooling replace its tanh and subsampling.
"""

from pydantic import Field
from torch import nn

from pipeline.core.yaml_document import Integer, Strict
from pipeline.models.layers import conv_output_px, require_pixels
from pipeline.models.registry import Shapes, register


class LenetOptions(Strict):
    width1: Integer = Field(20, ge=1, le=1024, description="channels of the first convolution")
    width2: Integer = Field(50, ge=1, le=1024, description="channels of the second convolution")
    hidden: Integer = Field(500, ge=1, le=8192, description="units of the hidden layer")


@register("lenet", LenetOptions)
def build(options: LenetOptions, shapes: Shapes) -> nn.Module:
    height, width = shapes.height, shapes.width
    for _ in range(2):
        height, width = (conv_output_px(side, 5, 0, 1) // 2 for side in (height, width))
    require_pixels(min(height, width), "lenet", "the second pooling")
    return nn.Sequential(
        nn.Conv2d(shapes.channels, options.width1, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(options.width1, options.width2, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),  # (B, width2, height, width) -> (B, width2*height*width)
        nn.Linear(options.width2 * height * width, options.hidden),
        nn.ReLU(),
        nn.Linear(options.hidden, shapes.n_classes),
    )
