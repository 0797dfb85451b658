"""Networks and retrainings for the tests of evaluation."""

from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.artifacts.epoch import Epoch
from pipeline.evaluation.retrain import FinishedRetraining, Retraining, RetrainingResult
from pipeline.execution.job import Job
from pipeline.models.registry import Shapes, build_model, describe
from pipeline.training.network import ModelDescription


def tiny_network() -> nn.Sequential:
    """Two feature maps, the image and its negative; the class scores are 3 and -1 times their means, and 0."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1]).view(2, 1, 1, 1))
        model[3].weight.copy_(torch.tensor([[3.0, -1], [0, 0]]))
    return model


def description(model: str, classes: list[str], positive: list[str]) -> ModelDescription:
    """Describe a model with default options for grey images of 8 x 8 pixels."""
    return ModelDescription(
        **dict(describe(model, {}, Shapes(1, 8, 8, len(classes)))),
        mean=[80.0],
        std=[90.0],
        classes=classes,
        positive=positive,
        test_time_augmentation="none",
        precision="float32",
    )


def finished_retraining(
    folder: Path, described: ModelDescription, *, model: str = "winner", seed: int = 5, val_score: float = 0.5
) -> FinishedRetraining:
    """Write random weights of this seed, and pretend that two epochs led to them."""
    torch.manual_seed(seed)
    weights = folder / f"{model}-{seed}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(build_model(described.model, described.options, described.shapes).state_dict(), weights)
    result = RetrainingResult(
        best_epoch=2,
        score=val_score,
        description=described,
        n_parameters=100,
        started_ms=1_700_000_000_000,
        epochs=[Epoch(k, 0.5 / k, 0.8, 0.8, 0.6 / k, 0.7, 0.7, None, None, 0.1, 2.5) for k in (1, 2)],
        slices=[(3, 0.5), (6, 0.25)],
    )
    job = Job({"model": described.model, "n_epochs": 2}, folder, seed, "accuracy", weights=weights)
    return FinishedRetraining(Retraining(model, seed, f"{model}-seed-0", folder, job), result, "f" * 32)


def once_per_group(table: pd.DataFrame) -> "pd.Series[float]":
    """Return the weights with which each group counts once in its class. table: the images of one run."""
    return 1 / table.groupby(["group", "label"])["label"].transform("size")
