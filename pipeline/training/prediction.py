"""What a trained network says of images, and the device it says it on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.registry import rebuild
from pipeline.training.augmentation import views
from pipeline.training.device import channels_last, device
from pipeline.training.normalisation import Normaliser
from pipeline.training.precision import arithmetic

EVAL_BATCH = 256  # as fast as more, in less memory


@torch.inference_mode()
def predict(model: nn.Module, description: Mapping[str, Any], images: np.ndarray) -> np.ndarray:
    """Class probabilities (N, K) float32 of (N, H, W, C) uint8 images, in fixed batches, in evaluation mode.

    Where the description asks for several views of an image, the logits are their weighted mean.
    """
    device = next(model.parameters()).device
    normalise = Normaliser(description, device)
    was_training = model.training
    model.eval()
    parts = []
    for start in range(0, len(images), EVAL_BATCH):
        batch = torch.from_numpy(np.array(images[start : start + EVAL_BATCH])).to(device)
        with arithmetic(device, description["precision"]):
            logits = logits_of_views(model, normalise(batch), description["test_time_augmentation"])
        parts.append(logits.softmax(1).cpu().numpy())
    model.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, description["shapes"]["n_classes"]), np.float32)


def logits_of_views(model: nn.Module, images: Tensor, kind: str) -> Tensor:
    """(B, K) float32, the weighted mean over the views of each image. images: (B, C, H, W), normalised."""
    total: Tensor = sum(weight * model(view).float() for weight, view in views(images, kind))
    return total


def load_trained(description: Mapping[str, Any], weights: Path) -> nn.Module:
    """The rebuilt model, where and in the memory layout that training and prediction use."""
    return channels_last(rebuild(description, weights).to(device()))
