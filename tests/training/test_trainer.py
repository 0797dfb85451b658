"""The training loop: learns, repeats itself, resumes bit for bit, stops on nonsense."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import TrainingError
from pipeline.models.layers import lr_scales
from pipeline.training.trainer import EarlyStopping, Trainer, Validation
from registered import MODELS
from training_examples import AUGMENTED, CNN, MLP, RESUMABLE, UNET


def weights(config: Configuration, samples: Samples, seed: int = 1) -> dict[str, torch.Tensor]:
    trainer = Trainer(config, samples, seed)
    for _ in trainer.epochs():
        pass
    return trainer.model.state_dict()


@pytest.mark.parametrize("config", [MLP, AUGMENTED], ids=["mlp", "augmented cnn"])
def test_equal_seeds_give_equal_weights_and_others_do_not(config: Configuration, development: Samples) -> None:
    once, again, other = (weights(config, development, seed) for seed in (1, 1, 2))
    assert all(torch.equal(once[key], again[key]) for key in once)
    assert not all(torch.equal(once[key], other[key]) for key in once)


def test_training_leaves_the_global_generator_alone(development: Samples) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    weights(CNN, development)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_a_batch_in_every_precision(model: str, precision: str, scans: Samples) -> None:
    lr = 0.1 if model == "whitened_cnn" else 0.01
    config = {"model": model, "lr": lr, "batch_size": 16, "n_epochs": 12, "precision": precision}
    config |= {"mlp.width": 32, "unet_encoder.width": 4, "se_resnet.depth": 2, "whitened_cnn.width": 8}
    epochs = list(Trainer(config, scans, seed=1).epochs())
    assert epochs[-1].train_loss < 0.5 * epochs[0].train_loss
    assert epochs[-1].train_accuracy == 1.0


@pytest.mark.parametrize("name", RESUMABLE)
def test_resumed_is_uninterrupted_bit_for_bit(name: str, development: Samples, scans: Samples) -> None:
    config, samples = (
        {**RESUMABLE[name], "n_epochs": 3},
        scans if RESUMABLE[name]["model"] == "whitened_cnn" else development,
    )
    whole, first = Trainer(config, samples, seed=1), Trainer(config, samples, seed=1)
    losses = [epoch.val_loss for epoch in whole.epochs()]
    next(first.epochs())
    again = Trainer(config, samples, seed=1)
    again.restore(copy.deepcopy(first.state()))
    assert [epoch.val_loss for epoch in again.epochs()] == losses[1:]
    assert all(torch.equal(a, b) for a, b in zip(again.trained.parameters(), whole.trained.parameters(), strict=True))


def test_a_loss_that_is_not_finite_stops_with_its_step(development: Samples) -> None:
    trainer = Trainer({**MLP, "optimizer": "sgd", "lr": 100.0, "mlp.depth": 4, "n_epochs": 20}, development, seed=1)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ of epoch \d+; lower lr"):
        list(trainer.epochs())


def test_an_estimate_leaves_the_trainer_where_it_was(development: Samples) -> None:
    config: Configuration = {**MLP, "schedule": "one_cycle", "batch_size": 300, "n_epochs": 1}
    trainer, untouched = (Trainer(config, development, seed=1) for _ in range(2))
    for _ in range(2):  # to the end of the schedule, which has no steps beyond
        assert trainer.estimate_epoch_s(n_steps=trainer.batches.n_steps) > 0
    (epoch,), (expected,) = trainer.epochs(), untouched.epochs()
    assert dataclasses.replace(epoch, seconds=0) == dataclasses.replace(expected, seconds=0)


def test_training_ends_where_val_has_not_improved_for_so_many_epochs(development: Samples) -> None:
    config = {**MLP, "lr": 0.1, "optimizer": "adam", "n_epochs": 60, "patience": 3}
    losses = [epoch.val_loss for epoch in Trainer(config, development, seed=1).epochs()]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 4


def test_a_frozen_encoder_keeps_weights_and_statistics(scans: Samples) -> None:
    trainer = Trainer({**UNET, "unet_encoder.freeze": "encoder", "weight_decay": 0.1}, scans, seed=1)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    list(trainer.epochs())
    moved = {name.partition(".")[0] for name, now in trainer.model.state_dict().items() if not now.equal(before[name])}
    assert moved == {"bottleneck", "classifier"}
    scales = lr_scales(trainer.model)
    assert {name.partition(".")[0] for name, p in trainer.model.named_parameters() if p in scales} == moved


def test_positive_classes_are_taken_together() -> None:
    confusion = np.array([[6, 1, 1], [1, 2, 3], [0, 2, 4]])  # rows are the truth
    nothing = np.zeros(0)
    assert Validation(nothing, nothing, np.array([False, True, True]), nothing).rates(confusion) == (11 / 12, 6 / 8)
    assert Validation(nothing, nothing, np.array([False, False, False]), nothing).rates(confusion) == (None, None)


def test_a_training_stops_once_patience_epochs_brought_no_lower_loss() -> None:
    stopping = EarlyStopping(patience=2)
    due = []
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 1.5, 1.6, 1.5], start=1):
        stopping.update(epoch, loss)
        due.append(stopping.is_due(epoch))
    assert due == [False, False, False, False, False, True]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 1.5)


def test_without_patience_it_never_stops() -> None:
    assert not EarlyStopping(patience=0).is_due(1000)


def test_each_group_of_val_counts_once(development: Samples) -> None:
    """Ten more copies of each of three images of val, in their groups, change no score of an epoch."""
    table = development.table
    copied = np.repeat(np.flatnonzero((table["part"] == "val").to_numpy())[:3], 10)
    grown = dataclasses.replace(
        development,
        images=np.concatenate([development.images, development.images[copied]]),
        table=pd.concat([table, table.iloc[copied]], ignore_index=True),
    )
    config = {"model": "mlp", "n_epochs": 1, "batch_size": 64, "lr": 0.01}
    one, other = (next(Trainer(config, samples, seed=1).epochs()) for samples in (development, grown))
    for name in ("val_loss", "val_accuracy", "val_macro_f1"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)
    assert other.train_loss == one.train_loss
