"""What the families share: the formula of output shapes."""

import pytest
import torch
from torch import nn

from pipeline.models.layers import conv_output_px


@pytest.mark.parametrize("geometry", [(28, 5, 0, 1), (32, 3, 1, 2), (33, 3, 1, 2), (7, 7, 0, 3)], ids=str)
def test_output_shape_formula_agrees_with_a_forward_pass(geometry: tuple[int, int, int, int]) -> None:
    side, kernel, padding, stride = geometry
    output = nn.Conv2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, side, side))
    assert output.shape[-1] == conv_output_px(side, kernel, padding, stride)
