"""What an epoch draws from the training images, and their normalisation by statistics of these alone."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.artifacts import samples as samples_file
from pipeline.artifacts.image_rows import ImageRows
from pipeline.artifacts.samples import Samples
from pipeline.training.batches import Normaliser, balanced_weights, channel_statistics, class_weights
from pipeline.training.trainer import Trainer
from training_examples import AUGMENTED, CNN, MLP


def test_a_last_batch_of_one_image_is_left_out_of_batch_norm(development: Samples) -> None:
    n = len(development.part("train")[1])
    size = next(b for b in range(20, n) if n % b == 1)
    trainer = Trainer({**CNN, "cnn.batch_norm": True, "batch_size": size, "n_epochs": 1}, development, seed=1)
    assert trainer.batches.n_steps == n // size
    assert len(list(trainer.epochs())) == 1


def test_a_limit_per_unit_draws_so_many_of_each_unit_and_others_each_time(development: Samples) -> None:
    n = len(development.part("train")[1])
    table = development.table.copy()
    table["group"] = [str(i % 100) for i in range(len(table))]  # about 13 training images each
    grouped = dataclasses.replace(development, table=table)
    trainer = Trainer({**MLP, "images_per_unit": 2}, grouped, seed=1)
    first, second = (trainer.batches.draw(torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for rows in (first, second):
        assert len(set(rows.tolist())) == len(rows) == 200
        assert np.bincount(trainer.batches.units[rows.numpy()]).tolist() == [2] * 100
    assert set(first.tolist()) != set(second.tolist())
    assert trainer.batches.n_steps == 7
    assert sorted(Trainer(MLP, grouped, seed=1).batches.draw(torch.Generator()).tolist()) == list(range(n))


def test_balanced_draws_take_each_collection_of_a_class_equally_often(development: Samples) -> None:
    table = development.table.copy()
    in_train = (table["part"] == "train").to_numpy()
    table["origin"] = np.where(np.arange(len(table)) % 10 == 0, "rare", "frequent")
    trainer = Trainer({**MLP, "balance_origins": True}, dataclasses.replace(development, table=table), seed=1)
    labels, origins = table["label"].to_numpy()[in_train], table["origin"].to_numpy()[in_train]
    draws = [trainer.batches.draw(torch.Generator().manual_seed(seed)).numpy() for seed in range(30)]
    rows = np.concatenate(draws)
    assert {len(draw) for draw in draws} == {in_train.sum()}
    for c in range(10):
        of_class = labels[rows] == c
        assert (origins[rows][of_class] == "rare").mean() == pytest.approx(0.5, abs=0.03)
        assert of_class.mean() == pytest.approx((labels == c).mean(), abs=0.01)


def test_weights_of_balanced_draws_by_hand() -> None:
    weights = balanced_weights(np.array([0, 0, 0, 1]), np.array(["a", "a", "b", "a"]))
    assert weights.tolist() == pytest.approx([0.75, 0.75, 1.5, 1.0])


def test_a_batch_larger_than_the_data_is_one_step(development: Samples) -> None:
    assert Trainer({**MLP, "batch_size": 1_000_000}, development, seed=1).batches.n_steps == 1


def test_class_weights_by_hand() -> None:
    assert class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist() == pytest.approx([2 / 3, 2.0])


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


@pytest.mark.parametrize("config", [MLP, AUGMENTED, {**CNN, "batch_size": 100, "class_weights": True}])
def test_images_that_remain_on_disk_train_alike(
    development: Samples, monkeypatch: pytest.MonkeyPatch, config: dict[str, object]
) -> None:
    def trained() -> tuple[Trainer, list[object]]:
        trainer = Trainer({"balance_origins": True, "lr": 0.01, **config}, development, seed=1)
        return trainer, [dataclasses.replace(epoch, seconds=0) for epoch in trainer.epochs()]

    in_memory, expected = trained()
    monkeypatch.setattr(samples_file, "IN_MEMORY_BYTES", 0)
    mapped, epochs = trained()
    assert isinstance(mapped.batches.images, ImageRows)
    assert isinstance(mapped.validation.images, ImageRows)
    assert epochs == expected
    assert mapped.description == in_memory.description
    for name, weights in in_memory.trained.state_dict().items():
        assert torch.equal(mapped.trained.state_dict()[name], weights), name
