"""Rows of a mapped file: the same pixels as from memory, and no pages that remain resident."""

import io
import mmap
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.artifacts import image_rows
from pipeline.artifacts.image_rows import ImageRows, chunks, write_images

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 7, 5, 3), dtype=np.uint8)
ROWS = np.array([3, 4, 8, 20, 49])


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    write_images(tmp_path / "images.npy", IMAGES)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize("index", [slice(None), slice(1, 3), slice(3, 99), np.array([4, 0, 4]), np.array([], np.int64)])
def test_rows_are_those_of_the_array(mapped: np.memmap, index: slice | np.ndarray) -> None:
    assert isinstance(mapped.base, mmap.mmap)
    for images in (IMAGES, mapped):
        rows = ImageRows(images, ROWS)
        assert (len(rows), rows.shape, rows.n_bytes) == (5, (5, 7, 5, 3), 5 * 7 * 5 * 3)
        assert np.array_equal(rows[index], IMAGES[ROWS][index])
        assert rows[index].flags.writeable
        assert np.array_equal(rows.in_memory(), IMAGES[ROWS])


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:0], IMAGES[::2], IMAGES.transpose(0, 2, 1, 3)])
def test_files_hold_the_bytes_of_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray) -> None:
    monkeypatch.setattr(image_rows, "CHUNK_BYTES", 400)
    write_images(tmp_path / "images.npy", images)
    expected = io.BytesIO()
    np.save(expected, np.ascontiguousarray(images))
    assert (tmp_path / "images.npy").read_bytes() == expected.getvalue()
    assert [len(chunk) for chunk in chunks(IMAGES)][:2] == [3, 3]


def test_what_was_read_does_not_remain_resident(tmp_path: Path) -> None:
    n_bytes = 2**26
    write_images(tmp_path / "images.npy", np.ones((n_bytes // 2**12, 64, 64, 1), np.uint8))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = ImageRows(mapped, np.arange(len(mapped)))

    def of_files() -> int:
        memory = psutil.Process().memory_info()
        return int(memory.shared)

    before = of_files()
    assert sum(int(rows[start : start + 256].sum()) for start in range(0, len(rows), 256)) == n_bytes
    assert of_files() - before < n_bytes / 4
    assert int(mapped.sum()) == n_bytes
    assert of_files() - before > n_bytes / 2  # which the mapping itself does not release
