"""CIFAR in its binary version: records of 1 label byte and 3,072 bytes of pixels, no pickles inside."""

import hashlib
from collections.abc import Collection, Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.errors import DataError
from pipeline.datasets.archives import members
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where

SIDE_PX = 32
RECORD_BYTES = 1 + 3 * SIDE_PX * SIDE_PX
TEST_BATCH = "test_batch.bin"
TRAIN_BATCHES = {f"data_batch_{k}.bin" for k in range(1, 6)}


class CifarSource(Source):
    """`source: {cifar: https://…/cifar-10-binary.tar.gz}`."""

    kind: ClassVar = "cifar"

    cifar: str = Field(description="URL or path of the .tar.gz of CIFAR-10's binary version")

    def addresses(self) -> list[str]:
        """Return the archive."""
        return [self.cifar]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the records of all batches."""
        path = self.path(self.cifar, where)
        for member, data in members(path):
            name = member.rsplit("/", 1)[-1]
            if name not in TRAIN_BATCHES | {TEST_BATCH}:
                continue  # batches.meta.txt, readme.html
            if len(data) % RECORD_BYTES:
                raise DataError(f"{path}: {name}: must hold records of {RECORD_BYTES} bytes, got {len(data)} bytes")
            # mirrors distribute the images over the batches in different orders, so the source names no batch
            part, source = ("test", TEST_BATCH) if name == TEST_BATCH else ("train", "data_batch_*.bin")
            for row in np.frombuffer(data, np.uint8).reshape(-1, RECORD_BYTES):
                pixels = row[1:].reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
                yield RawImage(source, part, int(row[0]), hashlib.sha256(row.tobytes()).hexdigest(), pixels)
