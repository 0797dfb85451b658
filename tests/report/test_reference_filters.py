import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline.report.reference_filters import KERNELS, filtered, responses


def test_the_hand_made_filters_do_what_their_names_say() -> None:
    flat, step, dot = np.full((9, 9), 100.0), np.repeat([[0.0] * 4 + [50.0] * 5], 9, axis=0), np.zeros((9, 9))
    dot[4, 4] = 200.0
    assert (filtered(flat)["Sobel"] == 0).all()
    assert (filtered(flat)["edge 5x5"] == 0).all()
    assert np.allclose(filtered(flat)["sharpen"], 100)
    assert (filtered(step)["Sobel"].argmax(axis=1) == 3).all()
    # e^-0 / (sum of e^(-k^2/2))^2 of the centre
    assert filtered(dot)["Gaussian, σ = 1"][4, 4] == pytest.approx(200 / 2.5066**2, rel=1e-3)


def test_they_are_what_a_convolution_of_a_network_computes() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (20, 14))
    for name, filtered_by in responses(image).items():
        kernel = torch.from_numpy(KERNELS[name])[None, None]
        inner = F.conv2d(torch.from_numpy(image)[None, None], kernel)[0, 0].numpy()
        edge = kernel.shape[-1] // 2
        np.testing.assert_allclose(filtered_by[edge:-edge, edge:-edge], inner, atol=1e-9, err_msg=name)


def test_sobel_x_rises_where_the_image_brightens_to_the_right() -> None:
    brighter = np.tile(np.arange(9.0), (9, 1))
    assert responses(brighter)["Sobel x"][4, 4] == 8
    assert responses(brighter)["Sobel y"][4, 4] == 0
    assert responses(brighter.T)["Sobel y"][4, 4] == 8
