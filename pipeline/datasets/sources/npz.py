"""Arrays of NumPy's .npz, as MedMNIST ships them."""

import hashlib
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.errors import DataError
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where

PARTS = {"train_": "train", "val_": "val", "test_": "test", "": ""}  # prefix of the names of the arrays


class NpzSource(Source):
    """`source: {npz: ~/pneumoniamnist.npz}`."""

    kind: ClassVar = "npz"

    npz: str = Field(description="URL or path of a .npz with images and labels, or train_images, train_labels, …")

    def addresses(self) -> list[str]:
        """Return the file."""
        return [self.npz]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images of all parts."""
        return read_npz(self.path(self.npz, where))


def read_npz(path: Path) -> Iterator[RawImage]:
    """Stream the images of all parts. Arrays: (N, H, W) or (N, H, W, C), labels (N,) or (N, 1).

    Raises DataError if the file cannot be read or holds other arrays.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: not an .npz file; write one with numpy.savez")
        with np.load(path, allow_pickle=False) as arrays:
            names = [prefix for prefix in PARTS if f"{prefix}images" in arrays]
            loaded = {prefix: (arrays[f"{prefix}images"], arrays[f"{prefix}labels"]) for prefix in names}
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]}") from None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if not loaded:
        raise DataError(f"{path}: must hold the arrays images and labels, or train_images, train_labels, …")
    for prefix, (images, labels) in loaded.items():
        yield from _records(path, prefix, images, labels)


def _records(path: Path, prefix: str, images: NDArray[Any], labels: NDArray[Any]) -> Iterator[RawImage]:
    if images.ndim == 3:
        images = images[..., None]
    labels = labels.reshape(len(labels), -1)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype not in (np.uint8, np.uint16):
        got = f"{images.shape} of {images.dtype}"
        raise DataError(f"{path}: {prefix}images: must be (N, H, W) or (N, H, W, 1 or 3) of 8 or 16 bits, got {got}")
    if labels.shape != (len(images), 1) or labels.dtype.kind not in "iu":
        got = f"{labels.shape} of {labels.dtype}"
        raise DataError(f"{path}: {prefix}labels: must be one whole number for each of {len(images)} images, got {got}")
    for i, (image, label) in enumerate(zip(images, labels[:, 0].tolist(), strict=True)):
        digest = hashlib.sha256(str(label).encode() + image.tobytes()).hexdigest()
        yield RawImage(f"{prefix}images#{i}", PARTS[prefix], label, digest, image)
