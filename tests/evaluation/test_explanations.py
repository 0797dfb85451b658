"""What explains the champion: known kernels, the images it is shown by, and equal files from equal weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from evaluation_examples import description, finished_retraining, tiny_network
from pipeline.artifacts.explanations import ExplanationsInfo
from pipeline.artifacts.samples import Samples
from pipeline.evaluation import explanations
from pipeline.evaluation.explanations import choose_examples, explain, first_kernels
from pipeline.evaluation.grad_cam import record_outputs
from pipeline.models.registry import Shapes


def test_first_kernels_of_a_known_convolution_and_of_units_that_see_all_pixels() -> None:
    model = tiny_network()
    convolution = first_kernels(record_outputs(model, torch.zeros(1, 1, 4, 4)), torch.Size((1, 4, 4)))
    assert convolution is not None
    assert convolution[0] == "0"
    assert convolution[1].tolist() == [[[[1]]], [[[-1]]]]
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    with torch.no_grad():
        perceptron[1].weight.copy_(torch.arange(12.0).view(2, 6))
    units = first_kernels(record_outputs(perceptron, torch.zeros(1, 1, 2, 3)), torch.Size((1, 2, 3)))
    assert units is not None
    assert units[1][1, 0].tolist() == [[6, 7, 8], [9, 10, 11]]  # in the order of the pixels
    normed = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1)).eval()
    assert first_kernels(record_outputs(normed, torch.zeros(1, 1, 4, 4)), torch.Size((1, 4, 4))) is None


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_same_weights_write_the_same_files(name: str, digits_folder: Path, tmp_path: Path) -> None:
    development, test = Samples.read(digits_folder / "development"), Samples.read(digits_folder / "test")
    classes = test.info.classes
    champion = finished_retraining(tmp_path, description(name, classes, ["0"]))
    table = test.table[["sample", "group", "label", "part"]].assign(model="winner", seed=5)
    p = np.random.default_rng(0).dirichlet(np.ones(10), len(table)).round(6)
    table["predicted"] = p.argmax(axis=1)
    table[[f"p_{c}" for c in classes]] = p
    for again in ("first", "second"):
        explain(champion, table, development, test).write(tmp_path / again)
    files = {path.name for path in (tmp_path / "first").iterdir()}
    plain = {"explanations.json", "examples.csv", "layers.csv", "metadata_baseline.csv", "images.npy", "kernels.npy"}
    assert files == plain | ({"cams.npy", "maps.npy"} if name == "cnn" else set())
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file
    examples = pd.read_csv(tmp_path / "first/examples.csv", dtype={"sample": str})
    rows = [test.table["sample"].tolist().index(sample) for sample in examples["sample"]]
    np.testing.assert_array_equal(np.load(tmp_path / "first/images.npy"), test.images[rows])
    assert ExplanationsInfo.read(tmp_path / "first/explanations.json").varied == ["border mean", "border SD"]
    assert len(pd.read_csv(tmp_path / "first/layers.csv")) > 4


def test_a_network_that_cannot_be_listed_keeps_its_reason() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model.register_module("never", nn.Linear(2, 2))
    model.forward = lambda images: model[1](model[0](images))  # type: ignore[method-assign]
    table, problem = explanations._layer_table(model, Shapes(1, 4, 4, 2))
    assert table.empty
    assert problem is not None
    assert "never.weight" in problem


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
    examples = choose_examples(predictions(), seed=7)
    assert examples.loc[examples["kind"] == "error", "sample"].tolist() == ["s1", "s3", "s0"]
    assert examples.loc[examples["kind"] == "hit", "sample"].tolist() == [
        "s5",
        "s4",
        "s6",
    ]  # s7: its group is shown above
    assert examples["n_wrong"].tolist() == [1, 1, 1, 0, 0, 0]
    assert examples.loc[examples["scan"], "sample"].tolist() == ["s5", "s4"]
    perfect = choose_examples(predictions(), seed=8)
    assert set(perfect["kind"]) == {"hit"}
    lost = predictions().assign(predicted=lambda t: 1 - t["label"])
    assert choose_examples(lost, seed=7)["scan"].sum() == 2  # without any hit, of errors
