"""CIFAR-10 in its binary version: records of 1 label byte and 3,072 bytes of pixels, no pickles inside."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.core.errors import DataError
from pipeline.datasets.archives import members
from pipeline.datasets.registry import DatasetSpec, PublishedFiles, RawFile, RawImage, Reference, register

FILE = "cifar-10-binary.tar.gz"
SIDE_PX = 32
RECORD_BYTES = 1 + 3 * SIDE_PX * SIDE_PX
TEST_BATCH = "test_batch.bin"
TRAIN_BATCHES = {f"data_batch_{k}.bin" for k in range(1, 6)}


def read(folder: Path) -> Iterator[RawImage]:
    """Stream the records of all batches."""
    for name, data in members(folder / FILE):
        if name not in TRAIN_BATCHES | {TEST_BATCH}:
            continue  # batches.meta.txt, readme.html
        if len(data) % RECORD_BYTES:
            raise DataError(
                f"{folder / FILE}: {name}: must hold records of {RECORD_BYTES} bytes, got {len(data)} bytes"
            )
        # mirrors distribute the images over the batches in different orders, so the source names no batch
        part, source = ("test", TEST_BATCH) if name == TEST_BATCH else ("train", "data_batch_*.bin")
        for row in np.frombuffer(data, np.uint8).reshape(-1, RECORD_BYTES):
            if row[0] > 9:
                raise DataError(f"{folder / FILE}: {name}: label must be in 0..9, got {row[0]}")
            pixels = row[1:].reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
            yield RawImage(source, part, int(row[0]), hashlib.sha256(row.tobytes()).hexdigest(), pixels)


register(
    DatasetSpec(
        name="cifar10",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        published=PublishedFiles(
            files=(RawFile(FILE, "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),),
            read=read,
            n_images={"train": 50_000, "test": 10_000},
            digests={
                "train": "55a61f79a40ece2ceda9fb5f9f7078f6ea2fc4952489cef56682bcf92cfcc260",
                "test": "325704b01eb92e1e2a6215ae6a916bb7db7de054af0c496be1c7be2e0fcfbf5f",
            },
        ),
        reference=Reference(
            citation="Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images",
            url="https://www.cs.toronto.edu/~kriz/cifar.html",
            terms="free for research; cite the technical report",
        ),
        native_shape=(SIDE_PX, SIDE_PX, 3),
        keeps_official_test=True,
    )
)
