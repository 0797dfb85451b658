"""Archives whose folders name the class."""

import hashlib

from packing import pack
from pipeline.datasets import brain_mri_types, class_folders
from pipeline.datasets.registry import specs


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
    assert class_folders.content_digests(records[:2]) == {"images": hashlib.sha256(lines.encode()).hexdigest()}
