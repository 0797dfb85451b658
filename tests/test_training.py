"""The training loop: learns, repeats itself, stops on nonsense; augmentations keep what they must."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.batches import gather_batch, jitter_intensity, warp_batch
from pipeline.config import Flat, Training
from pipeline.data import Samples
from pipeline.errors import TrainingError
from pipeline.models import lr_factors
from pipeline.training import Trainer, channel_statistics, class_weights, log_loss, predict

MLP: Flat = {"model": "mlp", "mlp.width": 32, "lr": 0.01, "batch_size": 32, "n_epochs": 3}
CNN: Flat = {"model": "cnn", "cnn.width": 8, "cnn.dropout": 0.2, "lr": 0.01, "batch_size": 64, "n_epochs": 2}
AUGMENTED: Flat = {**CNN, "flip": "both", "intensity": 0.2, "shift": 0.13, "rotate_deg": 10.0, "zoom": 0.1}


def weights(config: Flat, samples: Samples, seed: int = 1) -> dict[str, torch.Tensor]:
    trainer = Trainer(config, samples, seed)
    for _ in trainer.epochs():
        pass
    return trainer.model.state_dict()


@pytest.mark.parametrize("config", [MLP, AUGMENTED], ids=["mlp", "augmented cnn"])
def test_equal_seeds_give_equal_weights_and_others_do_not(config: Flat, development: Samples) -> None:
    once, again, other = (weights(config, development, seed) for seed in (1, 1, 2))
    assert all(torch.equal(once[key], again[key]) for key in once)
    assert not all(torch.equal(once[key], other[key]) for key in once)


def test_training_leaves_the_global_generator_alone(development: Samples) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    weights(CNN, development)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_every_optimizer_and_schedule_learns(
    precision: str, optimizer: str, schedule: str, development: Samples
) -> None:
    settings = {"precision": precision, "optimizer": optimizer, "schedule": schedule}
    lr = 0.05 if optimizer == "sgd" else 0.005
    epochs = list(Trainer({**MLP, **settings, "lr": lr}, development, seed=1).epochs())
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].val_accuracy > 0.85
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert (epochs[-1].lr < lr / 100) == (schedule != "constant")


def test_a_loss_that_is_not_finite_stops_with_its_step(development: Samples) -> None:
    trainer = Trainer({**MLP, "optimizer": "sgd", "lr": 100.0, "mlp.depth": 4, "n_epochs": 20}, development, seed=1)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ of epoch \d+; lower lr"):
        list(trainer.epochs())


def test_a_last_batch_of_one_image_is_left_out_of_batch_norm(development: Samples) -> None:
    n = len(development.part("train")[1])
    size = next(b for b in range(20, n) if n % b == 1)
    trainer = Trainer({**CNN, "cnn.batch_norm": True, "batch_size": size, "n_epochs": 1}, development, seed=1)
    assert trainer.n_steps == n // size
    assert len(list(trainer.epochs())) == 1


def test_a_limit_per_group_draws_so_many_of_each_group_and_others_each_time(development: Samples) -> None:
    n = len(development.part("train")[1])
    table = development.table.copy()
    table["group"] = [str(i % 100) for i in range(len(table))]  # about 13 training images each
    grouped = dataclasses.replace(development, table=table)
    trainer = Trainer({**MLP, "images_per_group": 2}, grouped, seed=1)
    first, second = (trainer._draw(torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for rows in (first, second):
        assert len(set(rows.tolist())) == len(rows) == 200
        assert np.bincount(trainer.groups[rows.numpy()]).tolist() == [2] * 100
    assert set(first.tolist()) != set(second.tolist())
    assert trainer.n_steps == 7
    assert sorted(Trainer(MLP, grouped, seed=1)._draw(torch.Generator()).tolist()) == list(range(n))


def test_a_batch_larger_than_the_data_is_one_step(development: Samples) -> None:
    assert Trainer({**MLP, "batch_size": 1_000_000}, development, seed=1).n_steps == 1


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
    assert Trainer(MLP, changed, 1).description["mean"] == Trainer(MLP, development, 1).description["mean"]


def test_prediction_does_not_depend_on_the_company_of_an_image(development: Samples) -> None:
    trainer = Trainer({**CNN, "cnn.batch_norm": True}, development, seed=1)
    next(trainer.epochs())
    images = np.asarray(development.images[:700])
    together = predict(trainer.model, trainer.description, images)
    assert together.shape == (700, 10)
    assert np.allclose(together.sum(1), 1, atol=1e-5)
    assert np.allclose(predict(trainer.model, trainer.description, images[690:]), together[690:], atol=1e-5)
    assert trainer.model.training


def test_log_loss_and_class_weights_by_hand() -> None:
    assert log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(0.490415, abs=1e-6)
    assert class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist() == pytest.approx([2 / 3, 2.0])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def config(**settings: object) -> Training:
    return Training.model_validate({"model": "mlp", "lr": 1, "batch_size": 1, "n_epochs": 1, **settings})


IMAGES = torch.arange(40 * 6 * 5 * 2, dtype=torch.int64).remainder(251).to(torch.uint8).view(40, 6, 5, 2)
ROWS = torch.tensor([7, 3, 3, 39, 0, 11, 12, 13])


def test_without_augmentation_the_rows_come_as_they_are() -> None:
    batch = gather_batch(IMAGES, ROWS, config(), generator())
    assert torch.equal(batch, IMAGES[ROWS].permute(0, 3, 1, 2))


def test_flips_mirror_about_half_of_the_images() -> None:
    rows = torch.zeros(400, dtype=torch.int64)
    batch = gather_batch(IMAGES, rows, config(flip="horizontal"), generator())
    plain = IMAGES[0].permute(2, 0, 1)
    kept = (batch == plain).flatten(1).all(1)
    flipped = (batch == plain.flip(2)).flatten(1).all(1)
    assert bool((kept ^ flipped).all())
    assert 150 < int(flipped.sum()) < 250


def test_shifts_move_by_whole_pixels_and_mirror_the_border() -> None:
    batch = gather_batch(IMAGES, ROWS, config(shift=0.4), generator())  # up to 2 pixels
    plain = torch.nn.functional.pad(IMAGES[ROWS].permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect")
    offsets = set()
    for image, padded in zip(batch.float(), plain, strict=True):
        found = [(y, x) for y in range(5) for x in range(5) if torch.equal(padded[:, y : y + 6, x : x + 5], image)]
        assert found
        offsets.add(found[0])
    assert len(offsets) > 3


def test_rotation_turns_about_the_centre() -> None:
    batch = torch.zeros(64, 1, 33, 33)
    batch[:, :, 16, 16] = 1.0  # the centre stays
    batch[:, :, 16, 28] = 1.0  # 12 px to the right
    turned = warp_batch(batch, 90.0, 0.0, generator())
    assert bool((turned[:, 0, 16, 16] > 0.5).all())
    y, x = torch.meshgrid(torch.arange(33) - 16, torch.arange(33) - 16, indexing="ij")
    ring = ((y**2 + x**2).float().sqrt() - 12).abs() < 1.6
    assert bool((turned[:, 0][:, ring].amax(1) > 0.2).all())
    assert bool((turned[:, 0][:, ~ring & ((y != 0) | (x != 0)) & ((y**2 + x**2) > 4)] == 0).all())
    assert torch.equal(warp_batch(batch, 0.0, 0.0, generator()).round(), batch)


def test_rotation_of_a_long_image_keeps_distances() -> None:
    batch = torch.zeros(32, 1, 21, 61)
    batch[:, :, 10, 36] = 1.0  # 6 px to the right of the centre
    turned = warp_batch(batch, 60.0, 0.0, generator())
    mass = turned / turned.sum((2, 3), keepdim=True)
    y, x = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(61.0) - 30, indexing="ij")
    distance = ((mass * y).sum((2, 3)) ** 2 + (mass * x).sum((2, 3)) ** 2).sqrt()
    assert bool(((distance - 6).abs() < 0.35).all())


def test_zoom_scales_distances_within_its_bounds() -> None:
    batch = torch.zeros(200, 1, 21, 61)
    batch[:, :, 10, 40] = 1.0  # 10 px to the right of the centre
    zoomed = warp_batch(batch, 0.0, 0.25, generator())
    x = torch.arange(61.0) - 30
    distance = (zoomed / zoomed.sum((2, 3), keepdim=True) * x).sum((1, 2, 3))
    assert bool(((distance > 10 / 1.25 - 0.5) & (distance < 12.5 + 0.5)).all())
    assert distance.min() < 8.5
    assert distance.max() > 12


def test_flips_along_both_axes_make_all_four_mirror_images() -> None:
    batch = gather_batch(IMAGES, torch.zeros(100, dtype=torch.int64), config(flip="both"), generator())
    plain = IMAGES[0].permute(2, 0, 1)
    mirrored = (plain, plain.flip(1), plain.flip(2), plain.flip(1, 2))
    counts = [int((batch == image).flatten(1).all(1).sum()) for image in mirrored]
    assert sum(counts) == 100
    assert min(counts) > 10


def test_intensity_changes_are_affine_and_bounded() -> None:
    batch = torch.randn(50, 2, 4, 4)
    changed = jitter_intensity(batch, 0.3, generator())
    for before, after in zip(batch, changed, strict=True):
        scale, shift = np.polyfit(before.ravel().numpy(), after.ravel().numpy(), 1)
        assert 0.7 <= scale <= 1.3
        assert abs(shift) <= 0.3
        assert torch.allclose(before * scale + shift, after, atol=1e-5)
    assert (changed - batch).abs().flatten(1).amax(1).min() > 0


UNET: Flat = {"model": "unet_encoder", "unet_encoder.width": 1, "lr": 0.01, "batch_size": 64, "n_epochs": 2}


@pytest.fixture(scope="module")
def scans() -> Samples:
    """24 grey images of 16 px in two classes, 8 of them to validate on."""
    rng = np.random.default_rng(1)
    label = np.arange(24) % 2
    images = (rng.integers(0, 100, (24, 16, 16, 1)) + 100 * label[:, None, None, None]).astype(np.uint8)
    table = pd.DataFrame({"part": ["train"] * 16 + ["val"] * 8, "label": label, "group": [f"g{i}" for i in range(24)]})
    return Samples(images, table, {"digest": "0", "classes": ["a", "b"], "positive": []})


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_bottleneck_learns_at_its_own_rate_under_every_schedule(
    scans: Samples, schedule: str, optimizer: str
) -> None:
    config = {**UNET, "unet_encoder.bottleneck_lr": 0.1, "schedule": schedule, "optimizer": optimizer}
    trainer = Trainer({**config, "weight_decay": 0.01, "batch_size": 4}, scans, seed=1)
    groups = trainer.optimizer.param_groups
    bottleneck = set(trainer.model.get_submodule("bottleneck").parameters())
    rates: list[float] = []

    def watch(*_: object) -> None:
        slow = {group["lr"] for group in groups if bottleneck & set(group["params"])}
        normal = {group["lr"] for group in groups if set(group["params"]) - bottleneck}
        assert len(slow) == len(normal) == 1
        assert slow.pop() == pytest.approx(0.1 * max(normal), rel=1e-9)
        rates.append(normal.pop())

    trainer.optimizer.register_step_pre_hook(watch)
    epochs = list(trainer.epochs())
    assert len(rates) == 2 * trainer.n_steps == 8
    assert (len(set(rates)) == 1) == (schedule == "constant")
    assert max(rates) == pytest.approx(0.01, rel=0.06)
    assert epochs[-1].lr == groups[0]["lr"]  # what is told of an epoch is the rate of the configuration
    assert not bottleneck & {p for group in groups[:2] for p in group["params"]}
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0] * 2
    assert sum(len(group["params"]) for group in groups) == len(list(trainer.model.parameters()))


def test_a_frozen_encoder_keeps_weights_and_statistics(scans: Samples) -> None:
    trainer = Trainer({**UNET, "unet_encoder.freeze": "encoder", "weight_decay": 0.1}, scans, seed=1)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    list(trainer.epochs())
    moved = {name.partition(".")[0] for name, now in trainer.model.state_dict().items() if not now.equal(before[name])}
    assert moved == {"bottleneck", "classifier"}
    factors = lr_factors(trainer.model)
    assert {name.partition(".")[0] for name, p in trainer.model.named_parameters() if p in factors} == moved


def test_networks_of_one_rate_keep_their_two_groups(scans: Samples) -> None:
    trainer = Trainer({**UNET, "model": "cnn", "cnn.width": 2}, scans, seed=1)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.01, 0.01]
    assert lr_factors(trainer.model) == dict.fromkeys(trainer.model.parameters(), 1.0)
