"""What an epoch draws from the training images."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.batches import class_weights
from pipeline.training.trainer import Trainer
from training_examples import CNN, MLP


def test_a_last_batch_of_one_image_is_left_out_of_batch_norm(development: Samples) -> None:
    n = len(development.part("train")[1])
    size = next(b for b in range(20, n) if n % b == 1)
    trainer = Trainer({**CNN, "cnn.batch_norm": True, "batch_size": size, "n_epochs": 1}, development, seed=1)
    assert trainer.batches.n_steps == n // size
    assert len(list(trainer.epochs())) == 1


def test_a_limit_per_group_draws_so_many_of_each_group_and_others_each_time(development: Samples) -> None:
    n = len(development.part("train")[1])
    table = development.table.copy()
    table["group"] = [str(i % 100) for i in range(len(table))]  # about 13 training images each
    grouped = dataclasses.replace(development, table=table)
    trainer = Trainer({**MLP, "images_per_group": 2}, grouped, seed=1)
    first, second = (trainer.batches.draw(torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for rows in (first, second):
        assert len(set(rows.tolist())) == len(rows) == 200
        assert np.bincount(trainer.batches.groups[rows.numpy()]).tolist() == [2] * 100
    assert set(first.tolist()) != set(second.tolist())
    assert trainer.batches.n_steps == 7
    assert sorted(Trainer(MLP, grouped, seed=1).batches.draw(torch.Generator()).tolist()) == list(range(n))


def test_a_batch_larger_than_the_data_is_one_step(development: Samples) -> None:
    assert Trainer({**MLP, "batch_size": 1_000_000}, development, seed=1).batches.n_steps == 1


def test_class_weights_by_hand() -> None:
    assert class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist() == pytest.approx([2 / 3, 2.0])
