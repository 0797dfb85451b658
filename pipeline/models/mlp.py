"""Multi-layer perceptron: how far a network gets without convolutions."""

from pydantic import Field
from torch import nn

from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.registry import Shapes, register


class MlpOptions(Strict):
    depth: Integer = Field(2, ge=1, le=8, description="hidden layers")
    width: Integer = Field(256, ge=1, le=8192, description="units per hidden layer")
    batch_norm: bool = Field(False, description="normalise each hidden layer over the batch")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of hidden units dropped in training")


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
