"""Contracts that every registered optimizer keeps; every weight learns at its own rate, under every schedule."""

import copy

import pytest
import torch

from pipeline.artifacts.samples import Samples
from pipeline.models.layers import lr_scales
from pipeline.training.config import Training
from pipeline.training.optimizers import register, registry
from pipeline.training.schedules import registry as schedules
from pipeline.training.trainer import Trainer
from training_examples import CNN, MLP, UNET

LARGE_LR = {"sgd": 0.05, "muon": 0.05}  # those whose steps grow with the gradient


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", registry())
@pytest.mark.parametrize("schedule", schedules())
def test_every_optimizer_and_schedule_learns(
    precision: str, optimizer: str, schedule: str, development: Samples
) -> None:
    lr = LARGE_LR.get(optimizer, 0.005)
    settings = {"precision": precision, "optimizer": optimizer, "schedule": schedule, "lr": lr}
    epochs = list(Trainer({**MLP, **settings}, development, seed=1).epochs())
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].val_accuracy > 0.85
    assert epochs[-1].train_loss < epochs[0].train_loss


@pytest.mark.parametrize("optimizer", registry())
def test_a_group_without_learning_rate_does_not_move(optimizer: str) -> None:
    config = {"model": "cnn", "optimizer": optimizer, "lr": 0.1, "weight_decay": 0.1, "batch_size": 1, "n_epochs": 1}
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 2))
    made = registry()[optimizer](model, Training.model_validate(config))
    assert [len(group["params"]) for group in made.param_groups] in ([2, 2], [1, 3])
    made.param_groups[1]["lr"] = 0.0
    before = [[p.detach().clone() for p in group["params"]] for group in made.param_groups]
    model(torch.ones(2, 1, 6, 6)[:, :, :4, :4]).square().sum().backward()
    made.step()
    assert not any(torch.equal(*pair) for pair in zip(before[0], made.param_groups[0]["params"], strict=True))
    assert all(torch.equal(*pair) for pair in zip(before[1], made.param_groups[1]["params"], strict=True))


@pytest.mark.parametrize("optimizer", registry())
def test_a_restored_optimizer_continues_bit_for_bit(optimizer: str, development: Samples) -> None:
    config = {**CNN, "optimizer": optimizer, "weight_decay": 0.01, "n_epochs": 2}
    whole, first, again = (Trainer(config, development, seed=1) for _ in range(3))
    list(whole.epochs())
    next(first.epochs())
    again.restore(copy.deepcopy(first.state()))
    list(again.epochs())
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))


def test_a_name_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="'sgd' is registered twice"):
        register("sgd")(registry()["sgd"])


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
