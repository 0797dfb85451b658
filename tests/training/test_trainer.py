"""The training loop: learns, repeats itself, stops on nonsense; augmentations keep what they must."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import TrainingError
from pipeline.models.layers import lr_factors
from pipeline.models.registry import registry
from pipeline.training.config import Training
from pipeline.training.normalisation import channel_statistics
from pipeline.training.optimizers import Muon, make_schedule, orthogonal
from pipeline.training.precision import fastest
from pipeline.training.prediction import predict
from pipeline.training.trainer import Trainer, class_weights, log_loss

MLP: Configuration = {"model": "mlp", "mlp.width": 32, "lr": 0.01, "batch_size": 32, "n_epochs": 3}
CNN: Configuration = {"model": "cnn", "cnn.width": 8, "cnn.dropout": 0.2, "lr": 0.01, "batch_size": 64, "n_epochs": 2}
AUGMENTED: Configuration = {**CNN, "flip": "both", "intensity": 0.2, "shift": 0.13, "rotate_deg": 10.0, "zoom": 0.1}


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


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "linear"])
def test_every_optimizer_and_schedule_learns(
    precision: str, optimizer: str, schedule: str, development: Samples
) -> None:
    settings = {"precision": precision, "optimizer": optimizer, "schedule": schedule}
    lr = 0.05 if optimizer in ("sgd", "muon") else 0.005
    epochs = list(Trainer({**MLP, **settings, "lr": lr}, development, seed=1).epochs())
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].val_accuracy > 0.85
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert (epochs[-1].lr < lr / 100) == (schedule != "constant")


def test_orthogonal_steps_have_nearly_equal_singular_values() -> None:
    matrix = torch.randn(16, 72, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    for given, nearest in ((matrix, u @ v), (matrix.T, (u @ v).T)):
        values = torch.linalg.svdvals(orthogonal(given))
        assert 0.6 < float(values.min()) < float(values.max()) < 1.3
        assert float(torch.nn.functional.cosine_similarity(orthogonal(given).flatten(), nearest.flatten(), 0)) > 0.97
    steep = torch.diag(torch.tensor([1.0, 0.1, 0.01]))
    assert float(torch.linalg.svdvals(orthogonal(steep))[1]) > 0.6  # of 0.1 before


def test_muon_takes_orthogonal_steps_of_kernels_and_moves_all_else_as_sgd() -> None:
    drawn = torch.Generator().manual_seed(1)
    shapes = (8, 3, 3, 3), (40, 1, 3, 3), (5, 8), (5,)
    first = [torch.randn(*shape, generator=drawn) for shape in shapes]
    ours, reference = ([torch.nn.Parameter(p.clone()) for p in first] for _ in range(2))
    muon = Muon([{"params": ours}], lr=0.1, momentum=0.6)
    sgd = torch.optim.SGD(reference, lr=0.1, momentum=0.6, nesterov=True)
    momentum = [torch.zeros(*shape) for shape in shapes]
    for _ in range(3):
        before = [p.detach().clone() for p in ours]
        for k, (p, q) in enumerate(zip(ours, reference, strict=True)):
            p.grad = q.grad = torch.randn(p.shape, generator=drawn)
            momentum[k] = 0.6 * momentum[k] + p.grad
        muon.step()
        sgd.step()
        for k in (0, 1):
            step = orthogonal((ours[k].grad + 0.6 * momentum[k]).flatten(1)).view(shapes[k])
            expected = before[k] / before[k].norm() - 0.1 * step / step.norm()  # from the first norm, by a tenth of it
            assert torch.allclose(ours[k].detach(), first[k].norm() * expected, atol=1e-5)
        assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(ours[2:], reference[2:], strict=True))


def test_muon_gives_kernels_lr_and_all_else_that_of_the_biases(scans: Samples) -> None:
    config: Configuration = {**RESUMABLE["orthogonal"], "n_epochs": 1, "bias_lr_scale": 30.0}
    trainer = Trainer(config, scans, seed=1)
    rates = {p: group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    moved = [p for p in trainer.model.parameters() if p.requires_grad]
    assert {p.ndim for p in moved} == {1, 2, 4}
    assert all(rates[p] == pytest.approx(0.1 if p.ndim == 4 else 3.0) for p in moved)


def test_a_network_of_convolutions_learns_by_muon(development: Samples) -> None:
    config: Configuration = {
        **CNN,
        "cnn.batch_norm": True,
        "optimizer": "muon",
        "schedule": "linear",
        "lr": 0.1,
        "momentum": 0.6,
    }
    assert list(Trainer(config, development, seed=1).epochs())[-1].val_accuracy > 0.9


def test_muon_goes_on_from_zeros() -> None:
    kernel, idle = torch.nn.Parameter(torch.zeros(4, 2, 3, 3)), torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    muon = Muon([{"params": [kernel, idle]}], lr=0.1, momentum=0.6)
    kernel.grad, idle.grad = torch.ones_like(kernel), torch.zeros_like(idle)
    muon.step()
    assert float(kernel.detach().norm()) == pytest.approx(0.1 * 2)  # of 4 channels out
    assert torch.equal(idle, torch.ones_like(idle))


def test_a_loss_that_is_not_finite_stops_with_its_step(development: Samples) -> None:
    trainer = Trainer({**MLP, "optimizer": "sgd", "lr": 100.0, "mlp.depth": 4, "n_epochs": 20}, development, seed=1)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ of epoch \d+; lower lr"):
        list(trainer.epochs())


def test_an_estimate_leaves_the_trainer_where_it_was(development: Samples) -> None:
    config: Configuration = {**MLP, "schedule": "one_cycle", "batch_size": 300, "n_epochs": 1}
    trainer, untouched = (Trainer(config, development, seed=1) for _ in range(2))
    for _ in range(2):  # to the end of the schedule, which has no steps beyond
        assert trainer.estimate_epoch_s(n_steps=trainer.n_steps) > 0
    (epoch,), (expected,) = trainer.epochs(), untouched.epochs()
    assert dataclasses.replace(epoch, seconds=0) == dataclasses.replace(expected, seconds=0)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "linear"])
def test_a_schedule_of_any_length_can_be_stepped_to_its_end(schedule: str) -> None:
    config = Training.model_validate(
        {"model": "mlp", "schedule": schedule, "lr": 0.1, "n_epochs": 1, "batch_size": 1, "optimizer": "sgd"}
    )
    for n_steps in range(1, 9):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        lr = make_schedule(optimizer, config, n_steps)
        for _ in range(n_steps):
            assert 0 < lr.get_last_lr()[0] <= 0.1
            optimizer.step()
            lr.step()


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


@pytest.mark.parametrize("views", ["mirrored", "mirrored_both", "crops"])
def test_a_prediction_of_both_sides_does_not_care_from_which_it_is_seen(views: str, development: Samples) -> None:
    trainer = Trainer({**MLP, "test_time_augmentation": views}, development, seed=1)
    next(trainer.epochs())
    images = np.asarray(development.images[:20])
    seen, mirrored = (predict(trainer.trained, trainer.description, side) for side in (images, images[:, :, ::-1]))
    assert np.allclose(seen, mirrored, atol=1e-6)
    plain = {**trainer.description, "test_time_augmentation": "none"}
    assert not np.allclose(seen, predict(trainer.trained, plain, images), atol=1e-3)


def test_averaged_weights_are_the_mean_that_the_decay_says(development: Samples) -> None:
    trainer = Trainer({**MLP, "ema_decay": 0.9, "batch_size": 400, "n_epochs": 1}, development, seed=1)
    steps: list[torch.Tensor] = []
    trainer.optimizer.register_step_post_hook(lambda *_: steps.append(next(trainer.model.parameters()).clone()))
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

    trainer.optimizer.register_step_pre_hook(watch)
    list(trainer.epochs())
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_training_ends_where_val_has_not_improved_for_so_many_epochs(development: Samples) -> None:
    config = {**MLP, "lr": 0.1, "optimizer": "adam", "n_epochs": 60, "patience": 3}
    losses = [epoch.val_loss for epoch in Trainer(config, development, seed=1).epochs()]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 4


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("model", ["timm:test_resnet" if name == "timm" else name for name in registry()])
def test_every_model_learns_a_batch_in_every_precision(model: str, precision: str, scans: Samples) -> None:
    lr = 0.1 if model == "whitened_cnn" else 0.01
    config = {"model": model, "lr": lr, "batch_size": 16, "n_epochs": 12, "precision": precision}
    config |= {"mlp.width": 32, "unet_encoder.width": 4, "se_resnet.depth": 2, "whitened_cnn.width": 8}
    epochs = list(Trainer(config, scans, seed=1).epochs())
    assert epochs[-1].train_loss < 0.5 * epochs[0].train_loss
    assert epochs[-1].train_accuracy == 1.0


def test_the_fastest_format_that_agrees_is_taken_and_nothing_is_trained_by_trying(development: Samples) -> None:
    auto = Trainer({**CNN, "precision": "auto"}, development, seed=1)
    assert auto.description["precision"] in ("float32", "bfloat16")
    told = Trainer({**CNN, "precision": auto.description["precision"]}, development, seed=1)
    assert auto.n_done == 0
    next(auto.epochs())
    next(told.epochs())
    assert all(torch.equal(a, b) for a, b in zip(auto.model.parameters(), told.model.parameters(), strict=True))
    assert fastest({"float32": (3.0, 1.0), "bfloat16": (1.0, 1.2), "float16": (2.0, 1.01)}) == "float16"
    assert fastest({"float32": (1.0, 1.0), "bfloat16": (2.0, 1.0)}) == "float32"


RESUMABLE: dict[str, Configuration] = {
    "averaged, patient": {**AUGMENTED, "ema_decay": 0.99, "patience": 5, "clip_norm": 1.0, "flip": "alternating"},
    "cosine SGD": {**CNN, "optimizer": "sgd", "schedule": "cosine", "cutout": 0.3, "batch_size": 100},
    "whitened": {"model": "whitened_cnn", "whitened_cnn.width": 4, "lr": 0.1, "bias_lr_scale": 8, "batch_size": 4},
    "orthogonal": {"model": "whitened_cnn", "whitened_cnn.width": 4, "lr": 0.1, "batch_size": 4, "optimizer": "muon"},
    "float16": {**CNN, "precision": "float16"},
}


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


def test_log_loss_and_class_weights_by_hand() -> None:
    assert log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(0.490415, abs=1e-6)
    assert class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist() == pytest.approx([2 / 3, 2.0])


UNET: Configuration = {"model": "unet_encoder", "unet_encoder.width": 1, "lr": 0.01, "batch_size": 64, "n_epochs": 2}


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
    config = {**UNET, "unet_encoder.bottleneck_lr_scale": 0.1, "schedule": schedule, "optimizer": optimizer}
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
