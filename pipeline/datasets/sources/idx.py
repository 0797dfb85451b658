"""Arrays in the IDX format of MNIST: one .gz of images and one of labels per part."""

import hashlib
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.errors import DataError
from pipeline.core.yaml_document import Strict
from pipeline.datasets.archives import MAX_UNPACKED_BYTES, bounded_gzip
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where

UINT8 = 8  # third byte of the magic number; the fourth is the number of dimensions


class IdxPart(Strict):
    """The two files of a part."""

    images: str
    labels: str


class IdxSource(Source):
    """`source: {idx: {train: {images: …, labels: …}, test: …}}`."""

    kind: ClassVar = "idx"

    idx: dict[Literal["train", "val", "test"], IdxPart] = Field(
        description="part (train, test) -> URLs or paths of its images and labels"
    )

    def addresses(self) -> list[str]:
        """Return images and labels of each part."""
        return [address for part in self.idx.values() for address in (part.images, part.labels)]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images of all parts with their labels."""
        for part, files in self.idx.items():
            path = self.path(files.images, where)
            images = _read_idx(path, 3)  # (N, H, W)
            labels = _read_idx(self.path(files.labels, where), 1)  # (N,)
            if len(images) != len(labels):
                raise DataError(f"{path}: {len(images)} images, {len(labels)} labels")
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                digest = hashlib.sha256(bytes([label]) + image.tobytes()).hexdigest()
                yield RawImage(f"{path.name}#{i}", part, int(label), digest, image[:, :, None])


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
