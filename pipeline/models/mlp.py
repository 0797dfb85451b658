"""Multi-layer perceptron: how far a network gets without convolutions."""

from typing import Annotated

from pydantic import Field
from torch import nn

from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.registry import Shapes, register


class MlpOptions(Strict):
    depth: Annotated[Integer, Field(ge=1, le=8, description="hidden layers")] = 2
    width: Annotated[Integer, Field(ge=1, le=8192, description="units per hidden layer")] = 256
    batch_norm: bool = Field(False, description="normalise each hidden layer over the batch")
    dropout: Annotated[Number, Field(ge=0, lt=1, description="share of hidden units dropped in training")] = 0.0


@register("mlp", MlpOptions)
def build(options: MlpOptions, shapes: Shapes) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]  # (B, C, H, W) -> (B, C*H*W)
    n = shapes.channels * shapes.height * shapes.width
    for _ in range(options.depth):
        layers.append(nn.Linear(n, options.width))
        layers += [nn.BatchNorm1d(options.width)] if options.batch_norm else []
        layers += [nn.ReLU(), nn.Dropout(options.dropout)]
        n = options.width
    return nn.Sequential(*layers, nn.Linear(n, shapes.n_classes))
