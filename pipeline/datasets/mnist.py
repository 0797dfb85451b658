"""MNIST in its published IDX format: one .gz of images and one of labels per part."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.datasets.archives import MAX_UNPACKED_BYTES, bounded_gzip
from pipeline.datasets.registry import DatasetSpec, PublishedFiles, RawFile, RawImage, Reference, register

UINT8 = 8  # third byte of the magic number; the fourth is the number of dimensions
PARTS = {"train": "train", "t10k": "test"}  # prefix of the files -> official part
URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def read(folder: Path) -> Iterator[RawImage]:
    """Stream the images of both parts with their labels."""
    for prefix, part in PARTS.items():
        name = f"{prefix}-images-idx3-ubyte.gz"
        images = _read_idx(folder / name, 3)  # (N, H, W)
        labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 1)  # (N,)
        if len(images) != len(labels) or labels.max(initial=0) > 9:
            raise DataError(
                f"{folder / name}: {len(images)} images, {len(labels)} labels, largest {labels.max(initial=0)}"
            )
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            digest = hashlib.sha256(bytes([label]) + image.tobytes()).hexdigest()
            yield RawImage(f"{name}#{i}", part, int(label), digest, image[:, :, None])


def _read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Read an array of n_dims dimensions.

    Source: the file format section of LeCun's MNIST page: 0, 0, type, dimensions, then big-endian uint32 sizes.
    """
    with bounded_gzip(path, MAX_UNPACKED_BYTES) as stream:
        magic = stream.read(4)
        if magic != bytes([0, 0, UINT8, n_dims]):
            raise DataError(f"{path}: not an IDX file of {n_dims} dimensions, starts with {magic.hex() or 'nothing'}")
        shape = [int.from_bytes(stream.read(4), "big") for _ in range(n_dims)]
        data = stream.read(math.prod(shape) + 1)
    if len(data) != math.prod(shape):
        raise DataError(f"{path}: must hold {math.prod(shape)} values for its shape {shape}, got {len(data)}")
    return np.frombuffer(data, np.uint8).reshape(shape)


register(
    DatasetSpec(
        name="mnist",
        classes=tuple("0123456789"),
        published=PublishedFiles(
            files=tuple(RawFile(name, URL + name, sha256) for name, sha256 in SHA256.items()),
            read=read,
            n_images={"train": 60_000, "test": 10_000},
        ),
        reference=Reference(
            citation="LeCun, Bottou, Bengio, Haffner 1998: Gradient-based learning applied to document recognition",
            url="https://yann.lecun.com/exdb/mnist/",
            terms="CC BY-SA 3.0 (LeCun, Cortes, Burges)",
        ),
        native_shape=(28, 28, 1),
        keeps_official_test=True,
    )
)
