"""Every weight learns at its own rate, under every schedule."""

import pytest

from pipeline.artifacts.samples import Samples
from pipeline.models.layers import lr_scales
from pipeline.training.trainer import Trainer
from training_examples import UNET


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_bottleneck_learns_at_its_own_rate_under_every_schedule(
    scans: Samples, schedule: str, optimizer: str
) -> None:
    config = {**UNET, "unet_encoder.bottleneck_lr_scale": 0.1, "schedule": schedule, "optimizer": optimizer}
    trainer = Trainer({**config, "weight_decay": 0.01, "batch_size": 4}, scans, seed=1)
    groups = trainer.learner.optimizer.param_groups
    bottleneck = set(trainer.model.get_submodule("bottleneck").parameters())
    rates: list[float] = []

    def watch(*_: object) -> None:
        slow = {group["lr"] for group in groups if bottleneck & set(group["params"])}
        normal = {group["lr"] for group in groups if set(group["params"]) - bottleneck}
        assert len(slow) == len(normal) == 1
        assert slow.pop() == pytest.approx(0.1 * max(normal), rel=1e-9)
        rates.append(normal.pop())

    trainer.learner.optimizer.register_step_pre_hook(watch)
    epochs = list(trainer.epochs())
    assert len(rates) == 2 * trainer.batches.n_steps == 8
    assert (len(set(rates)) == 1) == (schedule == "constant")
    assert max(rates) == pytest.approx(0.01, rel=0.06)
    assert epochs[-1].lr == groups[0]["lr"]  # an epoch records the rate of the configuration
    assert not bottleneck & {p for group in groups[:2] for p in group["params"]}
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0] * 2
    assert sum(len(group["params"]) for group in groups) == len(list(trainer.model.parameters()))


def test_networks_of_one_rate_keep_their_two_groups(scans: Samples) -> None:
    trainer = Trainer({**UNET, "model": "cnn", "cnn.width": 2}, scans, seed=1)
    assert [group["lr"] for group in trainer.learner.optimizer.param_groups] == [0.01, 0.01]
    assert lr_scales(trainer.model) == dict.fromkeys(trainer.model.parameters(), 1.0)
