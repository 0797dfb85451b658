"""8 x 8 digits that come with scikit-learn: real data without a network, for the demo and the tests."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pipeline.core.errors import DataError
from pipeline.datasets.archives import bounded_gzip
from pipeline.datasets.registry import DatasetSpec, RawFile, RawImage, register

FILE = "digits.csv.gz"
SIDE = 8
TOP = 16  # the published grey levels are 0..16


def read(folder: Path) -> Iterator[RawImage]:
    with bounded_gzip(folder / FILE, limit=1 << 20) as stream:
        lines = stream.read(1 << 21).decode("ascii", errors="replace").split()
    for i, line in enumerate(lines):
        try:
            values = np.array(line.split(","), dtype=np.int64)
        except ValueError as error:
            raise DataError(f"{folder / FILE}: line {i + 1}: {error}") from error
        if len(values) != SIDE * SIDE + 1 or values.min() < 0 or values[:-1].max() > TOP or values[-1] > 9:
            raise DataError(f"{folder / FILE}: line {i + 1}: must hold 64 values in 0..16 and a digit")
        grey, label = values[:-1].astype(np.uint8), int(values[-1])
        yield RawImage(
            source=f"{FILE}#{i}",
            official_part="",
            label=label,
            sha256=hashlib.sha256(bytes([label]) + grey.tobytes()).hexdigest(),
            data=(grey.astype(np.uint16) * 255 // TOP).astype(np.uint8).reshape(SIDE, SIDE, 1),
        )


def content_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """sha256 over the sorted 32-byte sha256 of each record."""
    return {"records": hashlib.sha256(b"".join(sorted(bytes.fromhex(r.sha256) for r in records))).hexdigest()}


register(
    DatasetSpec(
        name="digits",
        classes=tuple("0123456789"),
        # scikit-learn may pack the same table anew, so the content decides
        files=(RawFile(FILE, "package:sklearn.datasets.data/digits.csv.gz"),),
        read=read,
        content_digests=content_digests,
        digests={"records": "42666115be1f854f45365500b5fd41cf4d634c0fbe4ef14d6acf584fd43d4246"},
        positive=("0",),
        positive_meaning="the digit 0, an illustration of screening without medical meaning",
        native_px=SIDE,
        terms="CC BY 4.0 (UCI Machine Learning Repository)",
        citation="Alpaydin, Kaynak 1998: Optical Recognition of Handwritten Digits; its test part, as in scikit-learn",
        source_url="https://archive.ics.uci.edu/dataset/80",
    )
)
