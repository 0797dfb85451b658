"""The plain convolutional networks: those of the practicals are points of the family."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.core.errors import InputError
from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model, describe, rebuild


@pytest.mark.parametrize(
    ("options", "shapes", "parameters"),
    [
        # 16-32 conv 3x3 on MNIST: 3*3*16+16, 3*3*16*32+32, 7*7*32*10+10
        ({"width": 16}, Shapes(1, 28, 28, 10), 160 + 4_640 + 15_690),
        # 10-20 conv 5x5 valid, 50-10: 5*5*10+10, 5*5*10*20+20, 4*4*20*50+50, 50*10+10; sum 21,840
        ({"width": 10, "kernel": 5, "padding": "valid", "hidden": 50}, Shapes(1, 28, 28, 10), 21_840),
        # 2 conv + 2 fc on 256x256 RGB scans: 3*3*3*8+8, 3*3*8*16+16, 64*64*16*32+32, 32*2+2
        ({"width": 8, "hidden": 32}, Shapes(3, 256, 256, 2), 224 + 1_168 + 2_097_184 + 66),
        # 4 conv + 2 fc: 320, 18_496, 73_856, 295_168; 2*2*256*128+128, 128*10+10; sum 520,330
        ({"depth": 4, "width": 32, "hidden": 128}, Shapes(1, 32, 32, 10), 520_330),
        # batch norm takes the place of the bias: 9*4, 2*4; 4*4*4*2+2
        ({"depth": 1, "width": 4, "batch_norm": True}, Shapes(1, 8, 8, 2), 36 + 8 + 130),
        # a 1x1 convolution after each block, two hidden layers: 9*4+4, 4*4+4, 4*9*8+8, 8*8+8; 2*2*8*6+6, 6*5+5, 5*3+3
        (
            {"width": 4, "convs_1x1": 1, "hidden": 6, "hidden2": 5},
            Shapes(1, 8, 8, 3),
            40 + 20 + 296 + 72 + 198 + 35 + 18,
        ),
    ],
)
def test_networks_of_the_practicals_have_their_parameters(options: dict, shapes: Shapes, parameters: int) -> None:
    assert count_parameters(build_model("cnn", options, shapes)) == parameters


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
@pytest.mark.parametrize("head", ["flatten", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_every_form_of_cnn_fits_odd_sizes(pooling: str, head: str, padding: str) -> None:
    options = {"pooling": pooling, "head": head, "padding": padding, "convs": 2, "batch_norm": True}
    network = build_model("cnn", options, Shapes(2, 29, 37, 3))
    assert network(torch.zeros(2, 2, 29, 37)).shape == (2, 3)


def kinds(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.children()]


def test_order_of_norm_activation_and_pooling() -> None:
    options = {"depth": 1, "convs": 2, "batch_norm": True, "convs_1x1": 1}
    ends = ["Flatten", "Dropout", "Linear"]
    conv, norm, relu, pool = "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"
    for order, expected in {
        "norm_relu_pool": [conv, norm, relu, conv, norm, relu, pool, conv, norm, relu],
        "relu_norm_pool": [conv, relu, norm, conv, relu, norm, pool, conv, relu, norm],
        "norm_pool_relu": [conv, norm, relu, conv, norm, pool, relu, conv, norm, relu],
    }.items():
        assert kinds(build_model("cnn", {**options, "order": order}, Shapes(1, 8, 8, 2))) == expected + ends
    assert kinds(build_model("cnn", options, Shapes(1, 8, 8, 2)))[:3] == [conv, norm, relu]


def test_pooling_before_the_activation_changes_averages_and_no_maxima() -> None:
    images = torch.randn(3, 1, 8, 8)
    for pooling, equal in {"max": True, "average": False}.items():
        logits = []
        for order in ("norm_relu_pool", "norm_pool_relu"):
            torch.manual_seed(0)
            logits.append(build_model("cnn", {"pooling": pooling, "order": order}, Shapes(1, 8, 8, 2))(images))
        assert torch.equal(*logits) == equal


def test_a_description_from_before_an_option_existed_is_rebuilt(tmp_path: Path) -> None:
    shapes = Shapes(1, 8, 8, 2)
    network = build_model("cnn", {"batch_norm": True}, shapes).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    description = describe("cnn", {"batch_norm": True}, shapes)
    for option in ("order", "convs_1x1", "hidden2"):
        del description.options[option]
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(rebuild(description, tmp_path / "weights.safetensors")(images), network(images))


def test_a_second_hidden_layer_needs_a_first() -> None:
    with pytest.raises(InputError, match="cnn: hidden2=5 needs a first hidden layer"):
        build_model("cnn", {"hidden2": 5}, Shapes(1, 8, 8, 2))


def test_a_network_too_deep_for_the_image_is_refused() -> None:
    with pytest.raises(InputError, match="cnn: block 4 of 5 leaves no pixel"):
        build_model("cnn", {"depth": 5}, Shapes(1, 8, 8, 2))
