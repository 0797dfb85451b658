"""Brain MRI slices: archives of image files, one folder per class."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.datasets.archives import members
from pipeline.datasets.registry import RawImage

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def folder_reader(
    file: str, classes: tuple[str, ...], folders: Mapping[str, tuple[str, str]]
) -> Callable[[Path], Iterator[RawImage]]:
    """Reader of an archive whose folders name the class.

    folders: path under the archive root -> (class, official part). A file in one of them is an image, whatever its
    suffix; an image suffix elsewhere is a record without a label; tables and texts elsewhere are no records.
    """

    def read(folder: Path) -> Iterator[RawImage]:
        for source, data in members(folder / file):
            path = PurePosixPath(source)
            place = folders.get(str(path.parent))
            if place is None and path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            label, official_part = (None, "") if place is None else (classes.index(place[0]), place[1])
            yield RawImage(source, official_part, label, hashlib.sha256(data).hexdigest(), data)

    return read


def content_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """sha256 over the lines `<sha256>  <path under the archive root>`, sorted by path."""
    lines = [f"{r.sha256}  {r.source}\n" for r in sorted(records, key=lambda r: r.source)]
    return {"images": hashlib.sha256("".join(lines).encode()).hexdigest()}
