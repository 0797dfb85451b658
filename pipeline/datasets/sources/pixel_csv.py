"""A .csv.gz of square grey images: the pixels row by row, then the label."""

import hashlib
import math
from collections.abc import Collection, Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.errors import DataError
from pipeline.datasets.archives import MAX_UNPACKED_BYTES, bounded_gzip
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where


class PixelCsvSource(Source):
    """`source: {pixel_csv: package:sklearn.datasets.data/digits.csv.gz}`."""

    kind: ClassVar = "pixel_csv"

    pixel_csv: str = Field(description="URL, path or packaged file: whole numbers up to 255, no header")

    def addresses(self) -> list[str]:
        """Return the file."""
        return [self.pixel_csv]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the lines of the table."""
        path = self.path(self.pixel_csv, where)
        with bounded_gzip(path, MAX_UNPACKED_BYTES) as stream:
            lines = stream.read().decode("ascii", errors="replace").split()
        side = math.isqrt(max(lines[0].count(","), 1)) if lines else 0
        for i, line in enumerate(lines):
            try:
                values = np.array(line.split(","), dtype=np.int64)
            except ValueError as error:
                raise DataError(f"{path}: line {i + 1}: {error}") from error
            if len(values) != side**2 + 1 or values.min() < 0 or values.max() > 255:
                raise DataError(f"{path}: line {i + 1}: must hold {side}² values in 0..255 and a label in 0..255")
            grey, label = values[:-1].astype(np.uint8), int(values[-1])
            digest = hashlib.sha256(bytes([label]) + grey.tobytes()).hexdigest()
            yield RawImage(f"{path.name}#{i}", "", label, digest, grey.reshape(side, side, 1))
