"""Normalisation: by statistics of the training images alone."""

import dataclasses

import numpy as np
import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.normalisation import Normaliser, channel_statistics
from pipeline.training.trainer import Trainer
from training_examples import MLP


def test_statistics_are_those_of_the_training_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 9, 7, 3), dtype=np.uint8)
    statistics = channel_statistics(images)
    assert np.allclose(statistics["mean"], images.mean((0, 1, 2)))
    assert np.allclose(statistics["std"], images.std((0, 1, 2)))
    assert channel_statistics(np.zeros((2, 3, 3, 1), np.uint8)) == {"mean": [0.0], "std": [1.0]}


def test_validation_images_do_not_touch_the_statistics(development: Samples) -> None:
    val = (development.table["part"] == "val").to_numpy()
    images = np.array(development.images)
    images[val] = 255
    changed = dataclasses.replace(development, images=images)
    assert Trainer(MLP, changed, 1).description.mean == Trainer(MLP, development, 1).description.mean


def test_normalised_pixels_have_mean_0_and_deviation_1_per_channel() -> None:
    images = torch.arange(40 * 6 * 5 * 2, dtype=torch.int64).remainder(251).to(torch.uint8).view(40, 6, 5, 2)
    pixels = images.flatten(0, 2).double()
    statistics = {"mean": pixels.mean(0).tolist(), "std": pixels.std(0, correction=0).tolist()}
    batch = Normaliser(**statistics, n_pixels=6 * 5, device=torch.device("cpu"))(images)
    assert batch.shape == (40, 2, 6, 5)
    assert torch.allclose(batch.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(batch.std((0, 2, 3), correction=0), torch.ones(2), atol=1e-5)
