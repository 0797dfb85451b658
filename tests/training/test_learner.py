"""One step: clipped gradients, averaged weights."""

import pytest
import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.trainer import Trainer
from training_examples import MLP


def test_averaged_weights_are_the_mean_that_the_decay_says(development: Samples) -> None:
    trainer = Trainer({**MLP, "ema_decay": 0.9, "batch_size": 400, "n_epochs": 1}, development, seed=1)
    steps: list[torch.Tensor] = []
    trainer.learner.optimizer.register_step_post_hook(lambda *_: steps.append(next(trainer.model.parameters()).clone()))
    list(trainer.epochs())
    expected = steps[0]
    for weight in steps[1:]:
        expected = 0.9 * expected + 0.1 * weight
    assert len(steps) > 2
    assert torch.allclose(next(trainer.trained.parameters()), expected, atol=1e-6)
    assert not torch.allclose(next(trainer.model.parameters()), expected, atol=1e-4)


def test_gradients_are_clipped_to_their_norm(development: Samples) -> None:
    trainer = Trainer({**MLP, "clip_norm": 0.01, "n_epochs": 1}, development, seed=1)
    norms: list[float] = []

    def watch(*_: object) -> None:
        gradients = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))

    trainer.learner.optimizer.register_step_pre_hook(watch)
    list(trainer.epochs())
    assert max(norms) == pytest.approx(0.01, rel=1e-3)
