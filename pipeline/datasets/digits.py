"""8 x 8 digits that are installed with scikit-learn: real data without a network, for the demo and the tests."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.core.errors import DataError
from pipeline.datasets.archives import bounded_gzip
from pipeline.datasets.registry import (
    DatasetSpec,
    PositiveClasses,
    PublishedFiles,
    RawFile,
    RawImage,
    Reference,
    register,
)

FILE = "digits.csv.gz"
SIDE_PX = 8
TOP = 16  # the published grey levels are 0..16


def read(folder: Path) -> Iterator[RawImage]:
    """Stream the lines of the table: 64 grey levels and the digit."""
    with bounded_gzip(folder / FILE, limit=1 << 20) as stream:
        lines = stream.read(1 << 21).decode("ascii", errors="replace").split()
    for i, line in enumerate(lines):
        try:
            values = np.array(line.split(","), dtype=np.int64)
        except ValueError as error:
            raise DataError(f"{folder / FILE}: line {i + 1}: {error}") from error
        if len(values) != SIDE_PX**2 + 1 or values.min() < 0 or values[:-1].max() > TOP or values[-1] > 9:
            raise DataError(f"{folder / FILE}: line {i + 1}: must hold 64 values in 0..16 and a digit")
        grey, label = values[:-1].astype(np.uint8), int(values[-1])
        yield RawImage(
            source=f"{FILE}#{i}",
            official_part="",
            label=label,
            sha256=hashlib.sha256(bytes([label]) + grey.tobytes()).hexdigest(),
            data=(grey.astype(np.uint16) * 255 // TOP).astype(np.uint8).reshape(SIDE_PX, SIDE_PX, 1),
        )


register(
    DatasetSpec(
        name="digits",
        classes=tuple("0123456789"),
        published=PublishedFiles(
            # releases of scikit-learn may compress the table differently, so the content decides
            files=(RawFile(FILE, "package:sklearn.datasets.data/digits.csv.gz"),),
            read=read,
            n_images={"": 1797},
            digests={"records": "42666115be1f854f45365500b5fd41cf4d634c0fbe4ef14d6acf584fd43d4246"},
        ),
        reference=Reference(
            citation="Alpaydin, Kaynak 1998: Optical Recognition of Handwritten Digits; "
            "its test part, as in scikit-learn",
            url="https://archive.ics.uci.edu/dataset/80",
            terms="CC BY 4.0 (UCI Machine Learning Repository)",
        ),
        positive=PositiveClasses(("0",), "the digit 0, an illustration of screening without medical meaning"),
        native_shape=(SIDE_PX, SIDE_PX, 1),
    )
)
