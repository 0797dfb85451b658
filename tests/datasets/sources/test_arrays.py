"""Sources that are arrays: CIFAR's records, the digits of scikit-learn, IDX and NPZ; and files that are not theirs."""

import gzip
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from described import describe, of_project
from packing import pack
from pipeline.core.errors import DataError
from pipeline.datasets.records import record_digests
from pipeline.datasets.sources import Where
from pipeline.datasets.sources.cifar import CifarSource
from pipeline.datasets.sources.npz import NpzSource
from pipeline.datasets.sources.pixel_csv import PixelCsvSource


def read(source, folder):
    return list(source.read(Where(folder, folder), None))


def cifar_members(order: list[int]) -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    rows = [bytes([k % 10]) + rng.integers(0, 256, 3072, np.uint8).tobytes() for k in range(24)]
    rows = [rows[i] for i in order] + rows[20:]
    batches = [(f"root/data_batch_{k + 1}.bin", b"".join(rows[4 * k : 4 * k + 4])) for k in range(5)]
    return [("root/batches.meta.txt", b"airplane\n"), *batches, ("root/test_batch.bin", b"".join(rows[20:24]))]


def test_cifar_does_not_depend_on_the_order_inside_the_batches(tmp_path):
    shuffled = random.Random(1).sample(range(20), 20)
    pack(tmp_path / "a.tar.gz", cifar_members(list(range(20))))
    pack(tmp_path / "b.tar.gz", cifar_members(shuffled))
    a, b = (read(CifarSource(cifar=name), tmp_path) for name in ("a.tar.gz", "b.tar.gz"))
    assert len(a) == 24

    def columns(records):
        return sorted((r.sha256, r.source, r.official_part, r.label, r.data.tobytes()) for r in records)

    assert [r.sha256 for r in a] != [r.sha256 for r in b]
    assert columns(a) == columns(b)
    assert record_digests(a) == record_digests(b)


def test_cifar_digest_and_pixels_follow_the_published_layout(tmp_path):
    members = cifar_members(list(range(20)))
    pack(tmp_path / "a.tar.gz", members)
    records = read(CifarSource(cifar="a.tar.gz"), tmp_path)
    test_rows = [members[-1][1][k : k + 3073] for k in range(0, 4 * 3073, 3073)]
    expected = hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in test_rows))).hexdigest()
    assert record_digests(records)["test"] == expected
    # red plane first, row by row
    assert records[20].data[0, :, 0].tobytes() == test_rows[0][1:33]
    assert records[20].data[31, 31, 2] == test_rows[0][-1]


def test_cifar_refuses_damaged_batches(tmp_path):
    pack(tmp_path / "a.tar.gz", [("root/test_batch.bin", b"\x00" * 3000)])
    with pytest.raises(DataError, match="records of 3073"):
        read(CifarSource(cifar="a.tar.gz"), tmp_path)


def test_digits_are_those_of_scikit_learn(tmp_path):
    digits, packaged = of_project("digits"), Path(sklearn.datasets.__file__).parent / "data"
    records = list(digits.source.read(Where(tmp_path, packaged), None))
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    assert [digits.class_of(r.label) for r in records] == [str(label) for label in labels]
    assert np.array_equal(np.stack([r.data for r in records]).reshape(-1, 64), images)
    assert record_digests(reversed(records)) == digits.source.content


@pytest.mark.parametrize(
    "line", ["1,2,3", ",".join(["256"] + ["0"] * 64), ",".join(["0"] * 64 + ["-1"]), "a" + ",0" * 64]
)
def test_a_bad_line_of_pixels_is_refused(tmp_path, line):
    good = ",".join(["0"] * 65)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(f"{good}\n{line}\n".encode()))
    with pytest.raises(DataError, match="line 2"):
        read(PixelCsvSource(pixel_csv="a.csv.gz"), tmp_path)


def test_npz_as_medmnist_ships_it(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{what}": rng.integers(0, 256, (n, 28, 28), np.uint8) if what == "images" else np.arange(n)[:, None] % 2
        for part, n in (("train", 6), ("val", 3), ("test", 4))
        for what in ("images", "labels")
    }
    np.savez(tmp_path / "a.npz", **arrays)
    records = read(NpzSource(npz="a.npz"), tmp_path)
    assert [r.official_part for r in records] == ["train"] * 6 + ["val"] * 3 + ["test"] * 4
    assert [r.label for r in records[:4]] == [0, 1, 0, 1]
    assert np.array_equal(records[7].data[..., 0], arrays["val_images"][1])
    dataset = describe(tmp_path, "a", source={"npz": "a.npz"}, classes=["normal", "pneumonia"])
    assert [dataset.class_of(r.label) for r in records[:2]] == ["normal", "pneumonia"]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"pictures": np.zeros(3)}, "must hold the arrays images and labels"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, "labels is not a file"),
        (
            {"images": np.zeros((3, 4, 4)), "labels": np.zeros(3, int)},
            "must be .N, H, W. .* got .3, 4, 4, 1. of float64",
        ),
        ({"images": np.zeros((3, 4, 4), np.uint8), "labels": np.zeros((3, 14), int)}, "one whole number for each"),
        ({"images": np.array([None, 1])}, "allow_pickle"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, reason):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=reason):
        read(NpzSource(npz="a.npz"), tmp_path)
