"""The whitened CNN: whitening, the published size, borders that are not computed."""

import pytest
import torch
from torch import nn

from pipeline.models.layers import fit_to_images
from pipeline.models.registry import Shapes, build_model
from pipeline.models.whitened_cnn import Whitening


def test_whitened_patches_have_no_correlation_and_equal_variance() -> None:
    torch.manual_seed(0)
    images = torch.randn(200, 3, 12, 12).cumsum(3) * torch.tensor([1.0, 3.0, 0.5]).view(1, 3, 1, 1)  # smooth
    images = (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)
    network = build_model("whitened_cnn", {"width": 8}, Shapes(3, 12, 12, 2))
    fit_to_images(network, lambda: images.split(30))
    whitening = next(layer for layer in network.modules() if isinstance(layer, Whitening))
    whitened = whitening(images).transpose(0, 1).flatten(1)  # (24, n)
    assert torch.equal(whitened[:12], -whitened[12:])
    moments = whitened[:12] @ whitened[:12].T / whitened.shape[1]
    assert torch.allclose(moments, torch.eye(12), atol=0.15)
    assert not whitening.weight.requires_grad


def test_the_published_width_has_the_published_parameters() -> None:
    """airbench94 of Jordan 2024, arXiv:2404.00498: 1.97 million."""
    network = build_model("whitened_cnn", {}, Shapes(3, 32, 32, 10))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(1.97e6, rel=0.01)


@pytest.mark.parametrize("side", [30, 32, 33])
def test_rows_that_a_pooling_would_drop_change_nothing(side: int) -> None:
    network = build_model("whitened_cnn", {"width": 4}, Shapes(3, side, side + 1, 10)).eval()
    images = torch.randn(2, 3, side, side + 1, generator=torch.Generator().manual_seed(1))
    lean, borders = network(images), [layer for layer in network.modules() if isinstance(layer, nn.ZeroPad2d)]
    assert any(border.padding != (1, 1, 1, 1) for border in borders)
    for border in borders:
        border.padding = (1, 1, 1, 1)
    assert torch.allclose(network(images), lean, atol=1e-6)
