"""Archives that are damaged, hostile or too large, and those whose folders name the class."""

import gzip
import hashlib
import tarfile

import numpy as np
import pytest

from packing import pack
from pipeline.core.errors import DataError
from pipeline.datasets import archives, brain_mri_types
from pipeline.datasets.registry import specs


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


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
    records = list(specs()["brain_mri_types"].published.read(tmp_path))
    assert [(r.source, r.label, r.official_part, r.data) for r in records] == [
        ("Training/glioma_tumor/b.jpg", 0, "train", b"1"),
        ("Testing/no_tumor/a (2).JPG", 3, "test", b"2"),
        ("Testing/no_tumor/notes.txt", 3, "test", b"3"),
        ("loose.png", None, "", b"4"),
    ]
    lines = "".join(f"{hashlib.sha256(r.data).hexdigest()}  {r.source}\n" for r in (records[1], records[0]))
    assert archives.content_digests(records[:2]) == {"images": hashlib.sha256(lines.encode()).hexdigest()}
