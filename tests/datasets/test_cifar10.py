"""Records of the binary version, in batches that mirrors order differently."""

import hashlib
import random

import numpy as np
import pytest

from packing import pack
from pipeline.core.errors import DataError
from pipeline.datasets import cifar10
from pipeline.datasets.registry import record_digests


def cifar_members(order: list[int]) -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    rows = [bytes([k % 10]) + rng.integers(0, 256, 3072, np.uint8).tobytes() for k in range(24)]
    rows = [rows[i] for i in order] + rows[20:]
    batches = [(f"root/data_batch_{k + 1}.bin", b"".join(rows[4 * k : 4 * k + 4])) for k in range(5)]
    return [("root/batches.meta.txt", b"airplane\n"), *batches, ("root/test_batch.bin", b"".join(rows[20:24]))]


def test_cifar_does_not_depend_on_the_order_inside_the_batches(tmp_path):
    shuffled = random.Random(1).sample(range(20), 20)
    pack(tmp_path / "a" / cifar10.FILE, cifar_members(list(range(20))))
    pack(tmp_path / "b" / cifar10.FILE, cifar_members(shuffled))
    a, b = list(cifar10.read(tmp_path / "a")), list(cifar10.read(tmp_path / "b"))
    assert len(a) == 24

    def columns(records):
        return sorted((r.sha256, r.source, r.official_part, r.label, r.data.tobytes()) for r in records)

    assert [r.sha256 for r in a] != [r.sha256 for r in b]
    assert columns(a) == columns(b)
    assert record_digests(a) == record_digests(b)


def test_cifar_digest_and_pixels_follow_the_published_layout(tmp_path):
    members = cifar_members(list(range(20)))
    pack(tmp_path / cifar10.FILE, members)
    records = list(cifar10.read(tmp_path))
    test_rows = [members[-1][1][k : k + 3073] for k in range(0, 4 * 3073, 3073)]
    expected = hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in test_rows))).hexdigest()
    assert record_digests(records)["test"] == expected
    # red plane first, row by row
    assert records[20].data[0, :, 0].tobytes() == test_rows[0][1:33]
    assert records[20].data[31, 31, 2] == test_rows[0][-1]


@pytest.mark.parametrize(("batch", "reason"), [(b"\x00" * 3000, "records of 3073"), (b"\x0a" * 3073, "0..9, got 10")])
def test_cifar_refuses_damaged_batches(tmp_path, batch, reason):
    pack(tmp_path / cifar10.FILE, [("root/test_batch.bin", batch)])
    with pytest.raises(DataError, match=reason):
        list(cifar10.read(tmp_path))
