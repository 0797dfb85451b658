"""Archives of image files whose folders name the class."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.datasets.archives import members
from pipeline.datasets.registry import PublishedFiles, RawFile, RawImage

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def class_folders(
    archive: RawFile,
    classes: tuple[str, ...],
    *,
    folders: Mapping[str, tuple[str, str]],
    digest: str,
    n_images: Mapping[str, int],
) -> PublishedFiles:
    """Describe a .tar.gz of image files.

    folders: path under the archive root -> (class, official part). Every file in one of them is an image, with any
    suffix; elsewhere, files with an image suffix are records without a label and other files are ignored.
    """

    def read(folder: Path) -> Iterator[RawImage]:
        for source, data in members(folder / archive.name):
            path = PurePosixPath(source)
            place = folders.get(str(path.parent))
            if place is None and path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            label, official_part = (None, "") if place is None else (classes.index(place[0]), place[1])
            yield RawImage(source, official_part, label, hashlib.sha256(data).hexdigest(), data)

    return PublishedFiles((archive,), read, n_images, {"images": digest}, content_digests)


def content_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """Return the sha256 over the lines `<sha256>  <path under the archive root>`, sorted by path."""
    lines = [f"{r.sha256}  {r.source}\n" for r in sorted(records, key=lambda r: r.source)]
    return {"images": hashlib.sha256("".join(lines).encode()).hexdigest()}
