"""Decoded pictures in a temporary file, so that memory does not limit how many images a data set has."""

import errno
import math
import os
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError, InputError
from pipeline.core.files import check_space
from pipeline.core.progress import size_text
from pipeline.datasets.decoding import DecodedImage, grey, scaled

# while images are prepared: measured on 10,000 and 40,000 files; paths, digests, table and perceptual hashes of each
MEMORY_BYTES, MEMORY_BYTES_PER_IMAGE = 400_000_000, 2000
NO_PIXELS = np.zeros((0, 0, 0), np.uint8)


class PictureStore:
    """The pixels of pictures in the order in which they are added; a context that deletes the file at its end."""

    def __init__(self, folder: Path) -> None:
        """folder: where the file is made, which is created if missing; the file has no name."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by __exit__
        self._shapes: dict[str, tuple[int, ...]] = {}
        # bytes from the start of the file, and whether the values are bytes, one number per picture
        self._starts = {"pixels": array("q"), "compared": array("q")}
        self._is_byte = {"pixels": array("b"), "compared": array("b")}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, picture: DecodedImage) -> DecodedImage:
        """Store the pixels of a picture and return it without them.

        Raises DataError if its size is not that of the first, InputError if the disk is full.
        """
        kinds = {"pixels": picture.pixels, "compared": picture.compared}
        for kind, pixels in kinds.items():
            expected = self._shapes.setdefault(kind, pixels.shape)
            if pixels.shape != expected:
                raise DataError(f"all images must have the size of the first, {expected}, got {pixels.shape}")
        for kind, pixels in kinds.items():
            self._is_byte[kind].append(pixels.dtype == np.uint8)
        self._starts["pixels"].append(self._write(picture.pixels))
        is_same = picture.compared is picture.pixels
        self._starts["compared"].append(self._starts["pixels"][-1] if is_same else self._write(picture.compared))
        return replace(picture, pixels=NO_PIXELS, compared=NO_PIXELS)

    def _write(self, pixels: NDArray[Any]) -> int:
        """Append to the file and return the place of the first byte."""
        start = self._file.seek(0, os.SEEK_END)
        rest = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data
        try:
            while rest:  # the system may write less than asked for
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            n = len(self._starts["compared"])
            raise InputError(f"{self.folder}: the disk is full after {n:,} decoded images; free space on it") from error
        return start

    def announce(self, name: str, n: int) -> None:
        """Print what preparing n images like the stored ones takes. Raises InputError if the disk lacks the space."""
        n_stored, stored = len(self._starts["pixels"]), self._file.seek(0, os.SEEK_END)
        written, temporary = n * math.prod(self._shapes["pixels"]), n * stored // n_stored
        memory = MEMORY_BYTES + n * MEMORY_BYTES_PER_IMAGE
        print(
            f"{name}: {n:,} images: prepare takes about {size_text(memory)} of memory and writes at most "
            f"{size_text(written)}, meanwhile a temporary file of {size_text(temporary)}; split writes as much again"
        )
        check_space(self.folder, written + temporary - stored)

    def read(self, kind: str, number: int) -> NDArray[Any]:
        """Return the pixels (H, W, C) of the picture added as this number. kind: pixels or compared."""
        dtype, shape = np.dtype(np.uint8 if self._is_byte[kind][number] else np.float32), self._shapes[kind]
        n_bytes = math.prod(shape) * dtype.itemsize
        data = os.pread(self._file.fileno(), n_bytes, self._starts[kind][number])
        return np.frombuffer(data, dtype).reshape(shape)

    def shape(self, kind: str) -> tuple[int, ...]:
        """Return (H, W, C)."""
        return self._shapes[kind]


class StoredImages:
    """Pictures of a store as 8-bit images, (N, H, W, C), which are read when they are indexed."""

    def __init__(self, store: PictureStore, kind: str, numbers: Sequence[int], *, white: int, to_grey: bool) -> None:
        """numbers: in the store, in the order of the rows; white: see `scaled`."""
        *side, n_channels = store.shape(kind)
        self.shape = (len(numbers), *side, 1 if to_grey else n_channels)
        self._store, self._kind, self._numbers = store, kind, numbers
        self._white, self._to_grey = white, to_grey

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]:
        """Return (n, H, W, C). index: a slice, or (n,) rows."""
        rows = np.arange(len(self))[index]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows.tolist()):
            images[place] = self._image(row)
        return images

    def _image(self, row: int) -> NDArray[np.uint8]:
        pixels = self._store.read(self._kind, self._numbers[row])
        image = pixels if pixels.dtype == np.uint8 else scaled(pixels, self._white)
        return grey(image) if self._to_grey else image
