"""The served model: from pixels to probabilities, also as an exported program; what the registry keeps of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from contract_data import dataset_info
from pipeline.evaluation.served_model import Served, ServedModel, SizeRange, export_program
from pipeline.models.registry import Shapes, build_model, describe
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import predict

SHAPES = Shapes(3, 16, 16, 4)
SIZES = SizeRange(width=(16, 16), height=(16, 16), aspect=(1, 1))


def trained(kind: str) -> tuple[nn.Module, ModelDescription, torch.Tensor]:
    """Return a network, its description with this test-time augmentation, and images (5, 16, 16, 3) uint8."""
    torch.manual_seed(0)
    described = ModelDescription(
        **dict(describe("whitened_cnn", {"width": 4}, SHAPES)),
        mean=[90.0, 100.0, 110.0],
        std=[50.0, 60.0, 70.0],
        classes=["a", "b", "c", "d"],
        positive=[],
        precision="float32",
        test_time_augmentation=kind,
    )
    network = build_model("whitened_cnn", {"width": 4}, SHAPES).eval()
    return network, described, torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)


@pytest.mark.parametrize("kind", ["none", "crops"])
def test_what_is_served_is_what_was_predicted(kind: str) -> None:
    network, described, images = trained(kind)
    served = Served(network, described)(images.permute(0, 3, 1, 2).float())
    assert torch.allclose(served, torch.from_numpy(predict(network, described, images.numpy())), atol=1e-6)


def test_an_exported_program_gives_equal_probabilities_without_this_package(tmp_path: Path) -> None:
    network, described, images = trained("crops")
    served = ServedModel([network], described, dataset_info("x", described.classes, []), None, SIZES, origin="")
    export_program(served, tmp_path / "model.pt2")
    np.save(tmp_path / "images.npy", images.permute(0, 3, 1, 2).numpy())
    script = """if True:
        import json, sys
        import numpy as np
        import torch
        files = {"model.json": ""}
        program = torch.export.load("model.pt2", extra_files=files).module()
        images = torch.from_numpy(np.load("images.npy")).float()
        each = [program(images[k:k + 1]) for k in range(len(images))]
        np.save("answers.npy", np.stack([program(images).numpy(), torch.cat(each).numpy()]))
        assert json.loads(files["model.json"])["classes"] == ["a", "b", "c", "d"]
        assert "pipeline" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"OMP_NUM_THREADS": "1"}, check=True)
    expected = predict(network, described, images.numpy())
    for answers in np.load(tmp_path / "answers.npy"):
        np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_the_range_of_sizes() -> None:
    files = pd.DataFrame({"width": [100, 50, 80], "height": [50, 100, 80]})
    assert SizeRange.of(files) == SizeRange(width=(50, 100), height=(50, 100), aspect=(0.5, 2))
