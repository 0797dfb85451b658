"""The IDX format."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from described import of_project
from pipeline.core.errors import DataError
from pipeline.datasets.sources import Where


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray) -> None:
    def idx_bytes(array: np.ndarray) -> bytes:
        return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()

    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))


@pytest.fixture
def idx_folder(tmp_path):
    pixels = np.arange(5 * 28 * 28).astype(np.uint8).reshape(5, 28, 28)
    write_idx(tmp_path, "train", pixels[:3], np.array([7, 0, 9], np.uint8))
    write_idx(tmp_path, "t10k", pixels[3:], np.array([1, 2], np.uint8))
    return tmp_path


def test_idx_reads_both_parts(idx_folder):
    records = list(of_project("mnist").source.read(Where(idx_folder, idx_folder), None))
    assert [(r.official_part, r.label) for r in records] == [
        ("train", 7),
        ("train", 0),
        ("train", 9),
        ("test", 1),
        ("test", 2),
    ]
    assert records[1].source == "train-images-idx3-ubyte.gz#1"
    assert np.array_equal(records[4].data[:, :, 0].ravel(), np.arange(4 * 784, 5 * 784).astype(np.uint8))
    assert records[0].sha256 == hashlib.sha256(bytes([7]) + records[0].data.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "starts with nothing"),
        (b"<html>", "not an IDX file"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(100), "2352 values"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]) + bytes(100), "must hold 1 values"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]) + bytes(1), "1 images, 3 labels"),
    ],
)
def test_idx_refuses_damaged_files(idx_folder, content, reason):
    (idx_folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=reason):
        list(of_project("mnist").source.read(Where(idx_folder, idx_folder), None))
