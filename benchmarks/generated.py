"""Generated samples: images of noise in ten random classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.artifacts.samples import DatasetInfo, Samples

Shape = tuple[int, int, int]  # (H, W, C)


def generated(n_train: int, n_val: int, shape: Shape) -> Samples:
    """Return `n_train` images for training, then `n_val` for validation."""
    rng = np.random.default_rng(0)
    n = n_train + n_val
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    labels = rng.integers(0, 10, n)
    parts = np.where(np.arange(n) < n_train, "train", "val")
    groups = np.arange(n).astype(str)
    table = pd.DataFrame({"label": labels, "part": parts, "copies": groups, "group": groups})
    info = DatasetInfo(
        **dict.fromkeys(("name", "terms", "citation", "source_url"), "generated"),
        classes=[str(k) for k in range(10)],
        positive=[],
        positive_meaning=None,
        medical=False,
        image_shape=shape,
        counts={},
        digests={},
        near_duplicate_bits=None,
        hash_size=8,
    )
    return Samples(images, table, info)


def write_development(folder: Path, n: int, shape: Shape = (28, 28, 1)) -> Path:
    """Write and return a development folder of `n` images; the last eighth is for validation."""
    generated(n - n // 8, n // 8, shape).write(folder / "development")
    return folder / "development"
