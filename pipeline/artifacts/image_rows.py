"""Images that are read from disk when they are indexed, so that a data set can be larger than memory."""

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import writing

IN_MEMORY_BYTES = 2**30  # larger parts are read batch by batch; others are copied into memory, or to the GPU
CHUNK_BYTES = 2**22  # of images that are copied at a time


class Images(Protocol):
    """What is indexed like an array (N, H, W, C) uint8: an array, a mapped file, or what reads a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]: ...


class ImageRows:
    """Rows of images, (n, H, W, C) uint8, copied when they are indexed.

    After each access to a mapped file, its pages leave the memory of this process. They remain in the page cache of
    the system, which all processes share and which shrinks as soon as memory is short.
    """

    def __init__(self, images: Images, rows: NDArray[np.int64]) -> None:
        """images: (N, H, W, C); rows: (n,), numbers of images."""
        self.shape = (len(rows), *images.shape[1:])
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]:
        """Return (k, H, W, C). index: a slice, or (k,) places in the rows."""
        rows = self._rows[index]
        mapped = self._images.base if isinstance(self._images, np.ndarray) else None
        if isinstance(mapped, mmap.mmap):
            self._read_ahead(mapped, rows)
        copied = self._images[rows]
        if isinstance(mapped, mmap.mmap):
            mapped.madvise(mmap.MADV_DONTNEED)
        return copied

    def in_memory(self) -> NDArray[np.uint8]:
        """Return all rows, (n, H, W, C), copied chunk by chunk."""
        copied = np.empty(self.shape, np.uint8)
        start = 0
        for chunk in chunks(self):
            copied[start : start + len(chunk)] = chunk
            start += len(chunk)
        return copied

    def _read_ahead(self, mapped: mmap.mmap, rows: NDArray[np.int64]) -> None:
        """Request all rows at once: page by page, the system would wait for each, and read its neighbours too."""
        n_bytes = math.prod(self.shape[1:])
        first_byte = len(mapped) - n_bytes * len(self._images)  # of the first image; a header precedes it
        gaps = np.flatnonzero(np.diff(rows) != 1)  # rows that follow one another are one request
        first = rows[np.append(0, gaps + 1)] if len(rows) else rows
        last = rows[np.append(gaps, len(rows) - 1)] if len(rows) else rows
        starts = first_byte + first * n_bytes
        pages = starts - starts % mmap.PAGESIZE
        sizes = first_byte + (last + 1) * n_bytes - pages
        for page, size in zip(pages.tolist(), sizes.tolist(), strict=True):
            mapped.madvise(mmap.MADV_WILLNEED, page, size)


def chunks(images: Images) -> Iterator[NDArray[np.uint8]]:
    """Yield all images in order, (n, H, W, C), about CHUNK_BYTES at a time."""
    step = max(1, CHUNK_BYTES // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        yield images[start : start + step]


def write_images(path: Path, images: Images) -> None:
    """Write an .npy file with the bytes of `np.save`, chunk by chunk."""
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(images.shape)}
    with writing(path) as part, part.open("wb") as f:
        np.lib.format.write_array_header_1_0(f, header)
        for chunk in chunks(images):
            f.write(np.ascontiguousarray(chunk).data)
