"""Archives that are damaged, hostile or too large, and those whose folders name the class."""

import gzip
import hashlib
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from described import of_project
from packing import pack
from pipeline.core.errors import DataError
from pipeline.datasets import archives
from pipeline.datasets.records import file_digest
from pipeline.datasets.sources import Where


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
    dataset = of_project("brain_mri_types")
    root, [file] = "Brain-3ea9", dataset.source.files()
    pack(
        tmp_path / file.name,
        [
            (f"{root}/Training/glioma_tumor/b.jpg", b"1"),
            (f"{root}/Testing/no_tumor/a (2).JPG", b"2"),
            (f"{root}/Testing/no_tumor/notes.txt", b"3"),
            (f"{root}/loose.png", b"4"),
            (f"{root}/README.md", b"5"),
            (f"{root}/Training/glioma_tumor/.DS_Store", b"6"),
        ],
    )
    records = list(dataset.source.read(Where(tmp_path, tmp_path), dataset.spelled))
    assert [(r.source, dataset.class_of(r.label), r.official_part, r.data) for r in records] == [
        ("Training/glioma_tumor/b.jpg", "glioma", "train", b"1"),
        ("Testing/no_tumor/a (2).JPG", "no_tumor", "test", b"2"),
        ("Testing/no_tumor/notes.txt", "no_tumor", "test", b"3"),
        ("loose.png", None, "", b"4"),
    ]
    lines = "".join(f"{hashlib.sha256(r.data).hexdigest()}  {r.source}\n" for r in (records[1], records[0]))
    assert file_digest(records[:2]) == {"images": hashlib.sha256(lines.encode()).hexdigest()}


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members:
            archive.writestr(member, data)
    return path


def test_a_zip_is_read_like_a_tar(tmp_path):
    path = zipped(
        tmp_path / "a.zip", [("shapes/round/1.png", b"1"), ("shapes/round/", b""), ("shapes/flat/2.png", b"2")]
    )
    assert archives.member_names(path) == ["shapes/round/1.png", "shapes/flat/2.png"]
    assert list(archives.members(path)) == [("shapes/round/1.png", b"1"), ("shapes/flat/2.png", b"2")]


@pytest.mark.parametrize(("name", "reason"), [("../evil.png", "leaves"), ("/evil.png", "leaves"), ("link", "link")])
def test_hostile_members_of_a_zip_are_refused(tmp_path, name, reason):
    info = zipfile.ZipInfo(name)
    if name == "link":
        info.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match=f"refused.*{reason}"):
        list(archives.members(zipped(tmp_path / "a.zip", [("fine.png", b"1"), (info, b"/etc/passwd")])))


def test_a_damaged_zip_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a/1.png", bytes(1000))])
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: damaged file"):
        list(archives.members(path))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(2_000_000))
    with pytest.raises(DataError, match="unpacks to more than 1000000 bytes"):
        list(archives.members(bomb, limit=1_000_000))
