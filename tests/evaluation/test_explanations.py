"""Inside a network: attention worked by hand, known kernels, the images shown, and files that repeat."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.artifacts.samples import Samples
from pipeline.evaluation import explanations
from pipeline.evaluation.explanations import (
    cam_layer,
    choose_examples,
    explain_winner,
    first_kernels,
    grad_cam,
    record_outputs,
)
from pipeline.models.registry import Shapes, build_model, describe
from pipeline.training.network import ModelDescription


def tiny() -> nn.Sequential:
    """Two feature maps, the image and its negative; the class scores are 3 and -1 times their means, and 0."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1]).view(2, 1, 1, 1))
        model[3].weight.copy_(torch.tensor([[3.0, -1], [0, 0]]))
    return model


def test_grad_cam_worked_by_hand() -> None:
    model, image = tiny(), torch.tensor([[[[1.0, 2], [-3, 0]]]])
    # a mean over 4 pixels: the gradients are 3/4 and -1/4 everywhere, so 3/4 x - 1/4 (-x) = x, without what is below 0
    found = grad_cam(model, model[0], image.repeat(2, 1, 1, 1), np.array([0, 1]))
    assert found[0].tolist() == [[0.5, 1], [0, 0]]
    assert (found[1] == 0).all()  # nothing speaks for the second class


def test_attention_lies_where_a_trained_pattern_is_and_frozen_layers_let_it_through() -> None:
    model = tiny().requires_grad_(False)
    image = torch.zeros(1, 1, 16, 16)
    image[0, 0, 2:6, 9:13] = 1
    found = grad_cam(model, model[0], image, np.array([0]))[0]
    assert (found > 0.5).sum() == 16
    assert (found[2:6, 9:13] == 1).all()


@pytest.mark.parametrize(
    ("name", "options", "layer", "px"),
    [
        ("cnn", {}, "4", 16),  # the ReLU before the second pooling
        ("lenet", {}, "4", 10),  # ((32 - 4) / 2 - 4)
        ("se_resnet", {"depth": 2, "blocks": 1}, "4", 8),  # the last block, with what is added to it
        ("unet_encoder", {"width": 4}, "bottleneck", 2),
        ("mlp", {}, None, 0),
    ],
)
def test_attention_is_that_of_the_last_layer_with_pixels(
    name: str, options: dict[str, Any], layer: str | None, px: int
) -> None:
    run = record_outputs(build_model(name, options, Shapes(3, 32, 32, 4)), torch.zeros(1, 3, 32, 32))
    assert cam_layer(run) == layer
    if layer:
        assert run[layer][1].shape[-2:] == (px, px)


def test_first_kernels_of_a_known_convolution_and_of_units_that_see_all_pixels() -> None:
    model = tiny()
    name, kernels = first_kernels(record_outputs(model, torch.zeros(1, 1, 4, 4)), torch.Size((1, 4, 4)))
    assert name == "0"
    assert kernels is not None
    assert kernels.tolist() == [[[[1]]], [[[-1]]]]
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    with torch.no_grad():
        perceptron[1].weight.copy_(torch.arange(12.0).view(2, 6))
    name, kernels = first_kernels(record_outputs(perceptron, torch.zeros(1, 1, 2, 3)), torch.Size((1, 2, 3)))
    assert kernels is not None
    assert kernels[1, 0].tolist() == [[6, 7, 8], [9, 10, 11]]  # in the order of the pixels
    normed = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1)).eval()
    assert first_kernels(record_outputs(normed, torch.zeros(1, 1, 4, 4)), torch.Size((1, 4, 4))) == (None, None)


def test_what_changes_in_place_is_recorded_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.fill_(-1)
    assert record_outputs(model, torch.ones(1, 1, 2, 2))["0"][1].tolist() == [[[[-1, -1], [-1, -1]]]]
    assert not any(module._forward_hooks for module in model.modules())


def predictions() -> pd.DataFrame:
    """Two seeds on images of two classes; of the first seed: sample, group, label, p of class b."""
    rows = [
        ("s0", "g0", 0, 0.7), ("s1", "g1", 0, 0.9), ("s2", "g1", 0, 0.8),  # errors, two of one group
        ("s3", "g3", 1, 0.1),  # an error as sure as s1
        ("s4", "g4", 0, 0.2), ("s5", "g5", 1, 0.99), ("s6", "g6", 1, 0.95), ("s7", "g1", 0, 0.01),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["sample", "group", "label", "p_b"])
    table.insert(3, "predicted", (table["p_b"] > 0.5).astype(int))
    table.insert(4, "p_a", 1 - table["p_b"])
    table = table.assign(model="winner", part="test", seed=7)
    right = table.assign(seed=8, predicted=table["label"])
    return pd.concat([right, table])


def test_errors_come_surest_first_one_of_a_group_and_hits_of_every_class() -> None:
    found = choose_examples(predictions(), seed=7)
    assert found.loc[found["kind"] == "error", "sample"].tolist() == ["s1", "s3", "s0"]
    assert found.loc[found["kind"] == "hit", "sample"].tolist() == ["s5", "s4", "s6"]  # s7 is of a group shown above
    assert found["n_wrong"].tolist() == [1, 1, 1, 0, 0, 0]
    assert found.loc[found["scan"], "sample"].tolist() == ["s5", "s4"]
    perfect = choose_examples(predictions(), seed=8)
    assert set(perfect["kind"]) == {"hit"}
    lost = predictions().assign(predicted=lambda t: 1 - t["label"])
    assert choose_examples(lost, seed=7)["scan"].sum() == 2  # without any hit, of errors


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_same_weights_write_the_same_files(name: str, digits_folder: Path, tmp_path: Path) -> None:
    development, test = Samples.read(digits_folder / "development"), Samples.read(digits_folder / "test")
    shapes, classes = Shapes(1, 8, 8, 10), test.info.classes
    ModelDescription(
        **dict(describe(name, {}, shapes)),
        mean=[80.0],
        std=[90.0],
        classes=classes,
        positive=["0"],
        test_time_augmentation="none",
        precision="float32",
    ).write(tmp_path / "model/model.json")
    torch.manual_seed(0)
    save_file(build_model(name, {}, shapes).state_dict(), tmp_path / "model/seed-5.safetensors")
    table = test.table[["sample", "group", "label", "part"]].assign(model="winner", seed=5)
    p = np.random.default_rng(0).dirichlet(np.ones(10), len(table)).round(6)
    table["predicted"] = p.argmax(axis=1)
    table[[f"p_{c}" for c in classes]] = p
    for again in ("first", "second"):
        explain_winner(tmp_path / "model/seed-5.safetensors", table, development, test).write(tmp_path / again)
    files = {path.name for path in (tmp_path / "first").iterdir()}
    plain = {"explanations.json", "examples.csv", "layers.csv", "metadata_baseline.csv", "images.npy", "kernels.npy"}
    assert files == plain | ({"cams.npy", "maps.npy"} if name == "cnn" else set())
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file
    examples = pd.read_csv(tmp_path / "first/examples.csv", dtype={"sample": str})
    rows = [test.table["sample"].tolist().index(sample) for sample in examples["sample"]]
    np.testing.assert_array_equal(np.load(tmp_path / "first/images.npy"), test.images[rows])
    told = json.loads((tmp_path / "first/explanations.json").read_text())
    assert told["varied"] == ["border mean", "border SD"]
    assert len(pd.read_csv(tmp_path / "first/layers.csv")) > 4


def test_a_network_that_cannot_be_listed_keeps_its_reason() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model.register_module("never", nn.Linear(2, 2))
    model.forward = lambda images: model[1](model[0](images))  # type: ignore[method-assign]
    table, problem = explanations._layers(model, Shapes(1, 4, 4, 2))
    assert table.empty
    assert problem is not None
    assert "never.weight" in problem
