"""Predictions depend on the image alone, and on both sides of it where that is asked for."""

import numpy as np
import pytest
import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.prediction import augmented_versions, predict
from pipeline.training.trainer import Trainer
from training_examples import CNN, MLP


def test_prediction_does_not_depend_on_the_company_of_an_image(development: Samples) -> None:
    trainer = Trainer({**CNN, "cnn.batch_norm": True}, development, seed=1)
    next(trainer.epochs())
    images = np.asarray(development.images[:700])
    together = predict(trainer.model, trainer.description, images)
    assert together.shape == (700, 10)
    assert np.allclose(together.sum(1), 1, atol=1e-5)
    assert np.allclose(predict(trainer.model, trainer.description, images[690:]), together[690:], atol=1e-5)
    assert trainer.model.training


@pytest.mark.parametrize("augmentation", ["mirrored", "mirrored_both", "crops"])
def test_a_mirrored_image_gets_the_same_prediction(augmentation: str, development: Samples) -> None:
    trainer = Trainer({**MLP, "test_time_augmentation": augmentation}, development, seed=1)
    next(trainer.epochs())
    images = np.asarray(development.images[:20])
    seen, mirrored = (predict(trainer.trained, trainer.description, side) for side in (images, images[:, :, ::-1]))
    assert np.allclose(seen, mirrored, atol=1e-6)
    plain = trainer.description.model_copy(update={"test_time_augmentation": "none"})
    assert not np.allclose(seen, predict(trainer.trained, plain, images), atol=1e-3)


@pytest.mark.parametrize(("kind", "n"), [("none", 1), ("mirrored", 2), ("mirrored_both", 4), ("crops", 6)])
def test_versions_are_the_image_mirrored_or_shifted_by_a_pixel(kind: str, n: int) -> None:
    batch = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 4)
    seen = augmented_versions(batch, kind)
    assert sum(weight for weight, _ in seen) == 1
    assert len({tuple(version.flatten().tolist()) for _, version in seen}) == n
    assert torch.equal(seen[0][1], batch)
    if kind == "crops":
        assert torch.equal(seen[2][1][:, :, 1:, 1:], batch[:, :, :-1, :-1])
        assert torch.equal(seen[3][1][:, :, :-1, :-1], batch[:, :, 1:, 1:])
