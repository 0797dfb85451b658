import gzip
import hashlib
import io
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from pipeline.core.errors import DataError
from pipeline.datasets import archives, brain_mri_types, cifar10, class_folders, digits, mnist
from pipeline.datasets.registry import check_digests, file_digests, find_spec, register, specs

NAMES = ["brain_mri", "brain_mri_types", "cifar10", "digits", "mnist"]


def pack(path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


# --- registry -------------------------------------------------------------------------------------------------------


def test_the_registry_holds_the_published_sets():
    assert sorted(specs()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    spec = find_spec(name)
    assert spec.name == name
    assert len(set(spec.classes)) == len(spec.classes) >= 2
    assert set(spec.positive) < set(spec.classes)
    assert bool(spec.positive) == bool(spec.positive_meaning)
    assert not spec.medical or spec.positive
    assert all(len(sha256) == 64 for sha256 in spec.expected_digests().values())
    for file in spec.files:
        assert file.url.startswith(("https://", "package:"))
        assert file.url.endswith("/" + file.name)
    # what is not fixed byte for byte must be checked by content
    assert spec.expected_digests()
    assert all(file.sha256 for file in spec.files) or (spec.digests and len(spec.files) == 1)


def test_a_failed_lookup_lists_the_known_names():
    with pytest.raises(DataError, match=f"no data set 'mnits'; known are {', '.join(NAMES)}"):
        find_spec("mnits")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'digits' is registered twice"):
        register(specs()["digits"])


def test_check_digests_names_both_values():
    assert check_digests(specs()["mnist"], specs()["mnist"].expected_digests()) == []
    [problem] = check_digests(specs()["brain_mri"], {"images": "00"})
    assert problem == f"images: sha256 must be {specs()['brain_mri'].digests['images']}, got 00"


def test_file_digests_lists_missing_files(tmp_path):
    with pytest.raises(DataError) as error:
        file_digests(specs()["mnist"], tmp_path)
    assert len(error.value.problems) == 4


# --- digits ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def packaged():
    return Path(sklearn.datasets.__file__).parent / "data"


def test_digits_are_those_of_scikit_learn(packaged):
    records = list(digits.read(packaged))
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    assert [r.label for r in records] == labels.tolist()
    got = np.stack([r.data for r in records]).reshape(-1, 64)
    assert np.array_equal(got, images.astype(int) * 255 // 16)
    assert (got.min(), got.max()) == (0, 255)
    assert digits.content_digests(reversed(records)) == specs()["digits"].digests


@pytest.mark.parametrize(
    "line", ["1,2,3", ",".join(["17"] + ["0"] * 64), ",".join(["0"] * 64 + ["10"]), "a" + ",0" * 64]
)
def test_digits_refuses_a_bad_line(tmp_path, line):
    good = ",".join(["0"] * 65)
    (tmp_path / digits.FILE).write_bytes(gzip.compress(f"{good}\n{line}\n".encode()))
    with pytest.raises(DataError, match="line 2"):
        list(digits.read(tmp_path))


# --- IDX ------------------------------------------------------------------------------------------------------------


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
    records = list(mnist.read(idx_folder))
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
        (b"<html>", "no IDX file"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(100), "2352 values"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]) + bytes(100), "must hold 1 values"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]) + bytes(1), "1 images, 3 labels"),
    ],
)
def test_idx_refuses_damaged_files(idx_folder, content, reason):
    (idx_folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=reason):
        list(mnist.read(idx_folder))


# --- CIFAR-10 -------------------------------------------------------------------------------------------------------


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
    assert cifar10.content_digests(a) == cifar10.content_digests(b)


def test_cifar_digest_and_pixels_follow_the_published_layout(tmp_path):
    members = cifar_members(list(range(20)))
    pack(tmp_path / cifar10.FILE, members)
    records = list(cifar10.read(tmp_path))
    test_rows = [members[-1][1][k : k + 3073] for k in range(0, 4 * 3073, 3073)]
    expected = hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in test_rows))).hexdigest()
    assert cifar10.content_digests(records)["test"] == expected
    # red plane first, row by row
    assert records[20].data[0, :, 0].tobytes() == test_rows[0][1:33]
    assert records[20].data[31, 31, 2] == test_rows[0][-1]


@pytest.mark.parametrize(("batch", "reason"), [(b"\x00" * 3000, "records of 3073"), (b"\x0a" * 3073, "0..9, got 10")])
def test_cifar_refuses_damaged_batches(tmp_path, batch, reason):
    pack(tmp_path / cifar10.FILE, [("root/test_batch.bin", batch)])
    with pytest.raises(DataError, match=reason):
        list(cifar10.read(tmp_path))


# --- image folders --------------------------------------------------------------------------------------------------


def test_folders_name_class_and_part(tmp_path):
    root = "Brain-3ea9"
    pack(
        tmp_path / brain_mri_types.FILE,
        [
            (f"{root}/Training/glioma_tumor/b.jpg", b"1"),
            (f"{root}/Testing/no_tumor/a (2).JPG", b"2"),
            (f"{root}/Testing/no_tumor/notes.txt", b"3"),
            (f"{root}/loose.png", b"4"),
            (f"{root}/README.md", b"5"),
        ],
    )
    records = list(specs()["brain_mri_types"].read(tmp_path))
    assert [(r.source, r.label, r.official_part, r.data) for r in records] == [
        ("Training/glioma_tumor/b.jpg", 0, "train", b"1"),
        ("Testing/no_tumor/a (2).JPG", 3, "test", b"2"),
        ("Testing/no_tumor/notes.txt", 3, "test", b"3"),
        ("loose.png", None, "", b"4"),
    ]
    lines = "".join(f"{hashlib.sha256(r.data).hexdigest()}  {r.source}\n" for r in (records[1], records[0]))
    assert class_folders.content_digests(records[:2]) == {"images": hashlib.sha256(lines.encode()).hexdigest()}


# --- archives -------------------------------------------------------------------------------------------------------

HOSTILE = {
    "parent": ("root/../../evil.jpg", "leaves"),
    "absolute": ("/tmp/evil.jpg", "leaves"),
    "backslash": ("root\\..\\evil.jpg", "leaves"),
    "symlink": (special("root/a.jpg", tarfile.SYMTYPE, "/etc/passwd"), "link or special"),
    "hard link": (special("root/a.jpg", tarfile.LNKTYPE, "root/b.jpg"), "link or special"),
    "fifo": (special("root/a.jpg", tarfile.FIFOTYPE), "link or special"),
    "device": (special("root/a.jpg", tarfile.CHRTYPE), "link or special"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused(tmp_path, case):
    member, reason = HOSTILE[case]
    archive = pack(tmp_path / "x" / "a.tar.gz", [("root/fine.jpg", b"1"), (member, b"")])
    with pytest.raises(DataError, match=f"refused.*{reason}"):
        list(archives.members(archive))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar.gz", "x"]


def test_a_bomb_stops_at_the_limit(tmp_path):
    archive = pack(tmp_path / "a.tar.gz", [(f"root/{k}", bytes(300_000)) for k in range(4)])
    assert archive.stat().st_size < 20_000
    assert len(list(archives.members(archive, limit=2_000_000))) == 4
    with pytest.raises(DataError, match="unpacks to more than 1000000 bytes"):
        list(archives.members(archive, limit=1_000_000))


def test_a_member_that_claims_too_much_is_refused_before_it_is_read(tmp_path):
    info = tarfile.TarInfo("root/a.jpg")
    info.size = 1 << 40
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf()))
    with pytest.raises(DataError, match="larger than"):
        list(archives.members(tmp_path / "a.tar.gz"))


def test_a_sparse_member_is_refused(tmp_path):
    info = special("root/a.jpg", tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"00777777777\0"  # the size it pretends to have
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    with pytest.raises(DataError, match="sparse"):
        list(archives.members(tmp_path / "a.tar.gz"))


def test_damaged_archives_are_named(tmp_path):
    noise = np.random.default_rng(0).bytes(50_000)
    whole = pack(tmp_path / "a.tar.gz", [("root/a.jpg", noise)]).read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"<html>no archive</html>", gzip.compress(b"no tar" * 1000)):
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.tar\.gz: damaged file"):
            list(archives.members(tmp_path / "a.tar.gz"))
    with pytest.raises(DataError, match="No such file"):
        list(archives.members(tmp_path / "missing.tar.gz"))


def test_a_name_that_is_not_utf8_stays_printable(tmp_path):
    info = tarfile.TarInfo("root/b\udce9b\udce9.jpg")
    archive = pack(tmp_path / "a.tar.gz", [(info, b"1")])
    [(name, _)] = archives.members(archive)
    assert name.encode()
