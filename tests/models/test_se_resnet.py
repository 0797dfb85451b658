"""Residual blocks and gates of the SE-ResNet."""

import torch
from torch import nn

from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model
from pipeline.models.se_resnet import Block, SqueezeExcite


def test_a_residual_block_adds_what_came_in() -> None:
    torch.manual_seed(0)
    same, halved = Block(4, 4, 1, 2), Block(4, 8, 2, 2)
    images = torch.randn(2, 4, 5, 7)
    for block in (same, halved):
        last_norm = block.residual[4]
        assert isinstance(last_norm, nn.BatchNorm2d)
        nn.init.zeros_(last_norm.weight)  # the residual is 0 then, so only the skip remains
    assert torch.equal(same(images), images.relu())
    assert torch.equal(halved(images), halved.skip(images).relu())
    assert halved(images).shape == (2, 8, 3, 4)


def test_squeeze_and_excitation_scales_each_channel_by_a_gate_between_0_and_1() -> None:
    torch.manual_seed(0)
    gated = SqueezeExcite(6, 2)
    images = torch.randn(3, 6, 4, 5)
    gate = gated.gate(images)
    assert gate.shape == (3, 6, 1, 1)
    assert ((gate > 0) & (gate < 1)).all()
    assert gate.unique().numel() == gate.numel()  # each image and channel has its own
    assert torch.allclose(gated(images) / images, gate.expand_as(images))
    nn.init.constant_(gated.excite.bias, 100.0)  # wide open
    assert torch.equal(gated(images), images)


def test_a_se_resnet_is_small_by_default() -> None:
    assert 200_000 < count_parameters(build_model("se_resnet", {}, Shapes(1, 128, 128, 2))) < 1_000_000


def test_blocks_have_the_parameters_of_their_convolutions_gates_and_projections() -> None:
    """Stem 9*4+8; block 2*(9*4*4+8), gate 4*2+2+2*4+4, projection 4*4+8; the next without projection; 4*2+2."""
    network = build_model("se_resnet", {"depth": 1, "width": 4, "blocks": 2, "reduction": 2}, Shapes(1, 8, 8, 2))
    assert count_parameters(network) == 44 + (304 + 22 + 24) + (304 + 22) + 10
