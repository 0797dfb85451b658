"""The multi-layer perceptron: its size."""

from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model


def test_layers_have_the_parameters_of_their_units() -> None:
    network = build_model("mlp", {"depth": 2, "width": 32}, Shapes(1, 28, 28, 10))
    assert count_parameters(network) == 784 * 32 + 32 + 32 * 32 + 32 + 330
