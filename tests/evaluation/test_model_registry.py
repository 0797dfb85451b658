"""The registered model: from pixels to probabilities."""

import pytest
import torch

from pipeline.evaluation.model_registry import Served
from pipeline.models.registry import Shapes, build_model, describe
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import predict


@pytest.mark.parametrize("kind", ["none", "crops"])
def test_what_is_served_is_what_was_predicted(kind: str) -> None:
    torch.manual_seed(0)
    shapes = Shapes(3, 16, 16, 4)
    statistics = {"mean": [90.0, 100.0, 110.0], "std": [50.0, 60.0, 70.0]}
    described = ModelDescription(
        **dict(describe("whitened_cnn", {"width": 4}, shapes)),
        **statistics,
        classes=["a", "b", "c", "d"],
        positive=[],
        precision="float32",
        test_time_augmentation=kind,
    )
    network = build_model("whitened_cnn", {"width": 4}, shapes).eval()
    images = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    served = Served(network, described)(images.permute(0, 3, 1, 2).float())
    assert torch.allclose(served, torch.from_numpy(predict(network, described, images.numpy())), atol=1e-6)
