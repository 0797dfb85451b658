"""Mild corruptions that keep the diagnosis, and what the retrained winner predicts of images under each of them.

Strengths are those that differ between scanners, exports and positions, far below what hides a finding. Source of the
idea: Hendrycks and Dietterich 2019; lengths are shares of the side, so that they mean the same at every size.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from pipeline.artifacts.predictions import prediction_table, probability_columns
from pipeline.artifacts.robustness import ROBUSTNESS_COLUMNS, Robustness
from pipeline.artifacts.samples import Samples
from pipeline.core.progress import track
from pipeline.core.seeds import derive_seed
from pipeline.evaluation.retrain import FinishedRetraining
from pipeline.training.prediction import load_trained, predict

INTENSITY = 0.1  # share by which brightness and contrast change
BLUR_SIDE = 1 / 128  # SD of the Gaussian as a share of the side: 0.5 px of 64
NOISE_SD = 4.0  # of 255
JPEG_QUALITY = 75
ANGLE_DEG = 5.0
ZOOM = 0.05
NOISE_SEED = 0
MOST_IMAGES = 2_000  # of the test part that are predicted again
BATCH = 500  # images that are corrupted together
Corruption = Callable[[Tensor], Tensor]  # (N, C, H, W) uint8 to the same shape


def moved(angle_deg: float = 0.0, scale: float = 1.0) -> Corruption:
    """Return a rotation about the centre with a magnification, bilinear; the border extends outwards."""

    def move(images: Tensor) -> Tensor:
        side = list(images.shape[-2:])
        padding = -(-max(side) // 8)
        padded = F.pad(images, [padding], padding_mode="edge")
        bilinear = InterpolationMode.BILINEAR
        whole = F.affine(padded, angle_deg, [0, 0], scale, [0.0, 0.0], interpolation=bilinear)
        cropped: Tensor = F.center_crop(whole, side)
        return cropped

    return move


def blur(images: Tensor) -> Tensor:
    """Return the images under a Gaussian blur."""
    sigma = BLUR_SIDE * max(images.shape[-2:])
    size = 2 * int(np.ceil(3 * sigma)) + 1
    blurred: Tensor = F.gaussian_blur(images, [size, size], [sigma, sigma])
    return blurred


def noise(images: Tensor) -> Tensor:
    """Return the images with independent Gaussian noise at each pixel and channel."""
    drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    return (images + NOISE_SD * drawn).round().clamp(0, 255).to(torch.uint8)


def jpeg(images: Tensor) -> Tensor:
    """Return the images after a round trip through a lossy JPEG file."""
    stored = []
    for image in images.permute(0, 2, 3, 1).numpy():  # (H, W, C)
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "jpeg", quality=JPEG_QUALITY)
        stored.append(np.array(Image.open(file)).reshape(image.shape))
    return torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2)


CORRUPTIONS: dict[str, Corruption] = {
    f"brightness −{100 * INTENSITY:g} %": lambda images: F.adjust_brightness(images, 1 - INTENSITY),
    f"brightness +{100 * INTENSITY:g} %": lambda images: F.adjust_brightness(images, 1 + INTENSITY),
    f"contrast −{100 * INTENSITY:g} %": lambda images: F.adjust_contrast(images, 1 - INTENSITY),
    f"contrast +{100 * INTENSITY:g} %": lambda images: F.adjust_contrast(images, 1 + INTENSITY),
    f"blur, SD {64 * BLUR_SIDE:g} px of 64": blur,
    f"noise, SD {NOISE_SD:g} of 255": noise,
    f"JPEG, quality {JPEG_QUALITY}": jpeg,
    f"rotation −{ANGLE_DEG:g}°": moved(angle_deg=-ANGLE_DEG),
    f"rotation +{ANGLE_DEG:g}°": moved(angle_deg=ANGLE_DEG),
    f"zoom −{100 * ZOOM:g} %": moved(scale=1 - ZOOM),
    f"zoom +{100 * ZOOM:g} %": moved(scale=1 + ZOOM),
}


def corrupt(images: NDArray[np.uint8], corruption: Corruption) -> NDArray[np.uint8]:
    """Return the corrupted images. images: (N, H, W, C)."""
    batches = torch.split(torch.from_numpy(np.array(images)).permute(0, 3, 1, 2), BATCH)
    return np.concatenate([corruption(batch).permute(0, 2, 3, 1).numpy() for batch in batches])


def chosen_images(groups: Sequence[str], most: int = MOST_IMAGES) -> NDArray[np.int64]:
    """Return the rows of whole groups, drawn at random, that hold at most `most` images. groups: (N,) of the images."""
    names, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(derive_seed(0, "robustness")).permutation(names.size)
    taken = order[np.cumsum(sizes[order]) <= most]
    return np.flatnonzero(np.isin(group, taken))


def predict_corrupted(retrained: Sequence[FinishedRetraining], test: Samples) -> Robustness:
    """Return what every retraining of the winner predicts of test images under each corruption.

    A corruption that changes no pixel is left out: a blur of images that are a few pixels wide.
    """
    rows = chosen_images(test.table["group"].tolist())
    images = np.asarray(test.images[rows])
    shown = Samples(images, test.table.iloc[rows], test.info)
    winners = [finished for finished in retrained if finished.plan.model == "winner"]
    networks = [(f, load_trained(f.result.description, f.plan.weights)) for f in winners]
    tables = []
    for name, corruption in track(CORRUPTIONS.items(), "corrupt", total=len(CORRUPTIONS), unit="corruptions"):
        changed = corrupt(images, corruption)
        if (changed == images).all():
            continue
        for finished, network in networks:
            table = prediction_table(predict(network, finished.result.description, changed), shown)
            score = test.info.positive_score(table[probability_columns(test.info.classes)].to_numpy()).round(6)
            tables.append(table.assign(corruption=name, seed=finished.plan.seed, positive_score=score))
    return Robustness(pd.concat(tables)[list(ROBUSTNESS_COLUMNS)])
