"""Predictions of a trained network, with test-time augmentation where its description asks for it."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.artifacts.image_rows import Images
from pipeline.models.registry import rebuild
from pipeline.training.batches import Normaliser
from pipeline.training.network import ModelDescription
from pipeline.training.precision import arithmetic
from pipeline.training.process import device
from pipeline.training.small_inputs import SmallInputGuard

EVAL_BATCH = 256  # larger batches are no faster and take more memory


@torch.inference_mode()
def predict(model: nn.Module, description: ModelDescription, images: Images) -> np.ndarray:
    """Return class probabilities (N, K) float32 for (N, H, W, C) uint8 images.

    The model runs in evaluation mode, on fixed batches.
    """
    device = next(model.parameters()).device
    shapes = description.shapes
    n_pixels = shapes.height * shapes.width
    normalise = Normaliser(description.mean, description.std, n_pixels=n_pixels, device=device)
    was_training = model.training
    model.eval()
    guard = SmallInputGuard()
    probabilities = np.empty((len(images), shapes.n_classes), np.float32)  # in one piece: see `Trainer._pass`
    for start in range(0, len(images), EVAL_BATCH):
        batch = torch.from_numpy(np.array(images[start : start + EVAL_BATCH])).to(device)
        with arithmetic(device, description.precision), guard.forward_pass():
            logits = mean_logits(model, normalise(batch), description.test_time_augmentation)
        probabilities[start : start + EVAL_BATCH] = logits.softmax(1).cpu().numpy()
    model.train(was_training)
    return probabilities


def mean_logits(model: nn.Module, images: Tensor, augmentation: str) -> Tensor:
    """Return (B, K) float32, the weighted mean over the versions of each image.

    images: (B, C, H, W) float32, normalised; augmentation: a value of `Training.test_time_augmentation`.
    """
    versions = augmented_versions(images, augmentation)
    total: Tensor = sum(weight * model(version).float() for weight, version in versions)
    return total


def augmented_versions(images: Tensor, augmentation: str) -> list[tuple[float, Tensor]]:
    """Return the versions of the images that test-time augmentation averages, each with its weight; weights sum to 1.

    images: (B, C, H, W). mirrored: as they are, and from left to right; mirrored_both: along either axis and both;
    crops: mirrored, and both of these shifted by one pixel along the diagonal, either way, at half the weight.
    Source of crops: Jordan 2024, arXiv:2404.00498.
    """
    if augmentation == "none":
        return [(1.0, images)]
    sides = [images, images.flip(3)]
    if augmentation == "mirrored":
        return [(0.5, side) for side in sides]
    if augmentation == "mirrored_both":
        return [(0.25, side) for side in (*sides, images.flip(2), images.flip(2, 3))]
    height, width = images.shape[2:]
    padded = [F.pad(side, (1, 1, 1, 1), mode="reflect") for side in sides]
    shifted = [side[:, :, at : at + height, at : at + width] for side in padded for at in (0, 2)]
    return [(0.25, side) for side in sides] + [(0.125, side) for side in shifted]


def load_trained(description: ModelDescription, weights: Path) -> nn.Module:
    """Return the rebuilt model, on the device and in the memory layout that training and prediction use."""
    return rebuild(description, weights).to(device()).to(memory_format=torch.channels_last)
