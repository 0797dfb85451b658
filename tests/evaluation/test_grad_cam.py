"""Grad-CAM worked by hand, on trained patterns, and at the right layer of each family."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evaluation_examples import tiny_network
from pipeline.evaluation.grad_cam import cam_layer, grad_cam, record_outputs
from pipeline.models.registry import Shapes, build_model


def test_grad_cam_worked_by_hand() -> None:
    model, image = tiny_network(), torch.tensor([[[[1.0, 2], [-3, 0]]]])
    # a mean over 4 pixels: the gradients are 3/4 and -1/4 everywhere, so 3/4 x - 1/4 (-x) = x, without what is below 0
    cams = grad_cam(model, model[0], image.repeat(2, 1, 1, 1), np.array([0, 1]))
    assert cams[0].tolist() == [[0.5, 1], [0, 0]]
    assert (cams[1] == 0).all()  # nothing speaks for the second class


def test_attention_lies_where_a_trained_pattern_is_and_frozen_layers_let_it_through() -> None:
    model = tiny_network().requires_grad_(False)
    image = torch.zeros(1, 1, 16, 16)
    image[0, 0, 2:6, 9:13] = 1
    cams = grad_cam(model, model[0], image, np.array([0]))[0]
    assert (cams > 0.5).sum() == 16
    assert (cams[2:6, 9:13] == 1).all()


@pytest.mark.parametrize(
    ("name", "options", "layer", "px"),
    [
        ("cnn", {}, "4", 16),  # the ReLU before the second pooling
        ("lenet", {}, "4", 10),  # ((32 - 4) / 2 - 4)
        ("se_resnet", {"depth": 2, "blocks": 1}, "4", 8),  # the last block, with what is added to it
        ("unet_encoder", {"width": 4}, "bottleneck", 2),
        ("mlp", {}, None, 0),
    ],
)
def test_attention_is_that_of_the_last_layer_with_pixels(
    name: str, options: dict[str, Any], layer: str | None, px: int
) -> None:
    run = record_outputs(build_model(name, options, Shapes(3, 32, 32, 4)), torch.zeros(1, 3, 32, 32))
    assert cam_layer(run) == layer
    if layer:
        assert run[layer][1].shape[-2:] == (px, px)


def test_what_changes_in_place_is_recorded_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.fill_(-1)
    assert record_outputs(model, torch.ones(1, 1, 2, 2))["0"][1].tolist() == [[[[-1, -1], [-1, -1]]]]
    assert not any(module._forward_hooks for module in model.modules())
