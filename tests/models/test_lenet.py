"""LeNet: the size of the practical, and the smallest image."""

import pytest

from pipeline.core.errors import InputError
from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model


def test_the_network_of_the_practical_has_its_parameters() -> None:
    """20-50 conv 5x5, 500-10 on CIFAR-10: 5*5*3*20+20, 5*5*20*50+50, 5*5*50*500+500, 500*10+10."""
    network = build_model("lenet", {}, Shapes(3, 32, 32, 10))
    assert count_parameters(network) == 1_520 + 25_050 + 625_500 + 5_010


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="lenet: the second pooling leaves no pixel"):
        build_model("lenet", {}, Shapes(1, 8, 8, 2))
