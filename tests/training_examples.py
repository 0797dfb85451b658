"""Small configurations and samples that the tests of training share."""

import numpy as np
import pandas as pd

from contract_data import dataset_info
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples

MLP: Configuration = {"model": "mlp", "mlp.width": 32, "lr": 0.01, "batch_size": 32, "n_epochs": 3}

CNN: Configuration = {"model": "cnn", "cnn.width": 8, "cnn.dropout": 0.2, "lr": 0.01, "batch_size": 64, "n_epochs": 2}

AUGMENTED: Configuration = {**CNN, "flip": "both", "intensity": 0.2, "shift": 0.13, "rotate_deg": 10.0, "zoom": 0.1}

RESUMABLE: dict[str, Configuration] = {
    "averaged, patient": {**AUGMENTED, "ema_decay": 0.99, "patience": 5, "clip_norm": 1.0, "flip": "alternating"},
    "cosine SGD": {**CNN, "optimizer": "sgd", "schedule": "cosine", "cutout": 0.3, "batch_size": 100},
    "whitened": {"model": "whitened_cnn", "whitened_cnn.width": 4, "lr": 0.1, "bias_lr_scale": 8, "batch_size": 4},
    "orthogonal": {"model": "whitened_cnn", "whitened_cnn.width": 4, "lr": 0.1, "batch_size": 4, "optimizer": "muon"},
    "float16": {**CNN, "precision": "float16"},
}

UNET: Configuration = {"model": "unet_encoder", "unet_encoder.width": 1, "lr": 0.01, "batch_size": 64, "n_epochs": 2}


def samples_of(images: np.ndarray, n_train: int) -> Samples:
    """Return the images as two alternating classes, every image its own group; the first `n_train` are `train`."""
    n = len(images)
    parts = ["train"] * n_train + ["val"] * (n - n_train)
    groups = [f"g{i}" for i in range(n)]
    table = pd.DataFrame({"part": parts, "label": np.arange(n) % 2, "copies": groups, "group": groups})
    return Samples(images, table, dataset_info("generated", ["a", "b"], []))
