"""A .zip or .tar.gz whose folders name the class; it stays packed."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import ClassVar

from pydantic import Field

from pipeline.datasets.archives import member_names, members
from pipeline.datasets.class_folders import places
from pipeline.datasets.records import RawImage, file_digest
from pipeline.datasets.sources import Source, Where


class ArchiveSource(Source):
    """`source: {archive: https://…/images.zip}`."""

    kind: ClassVar = "archive"

    archive: str = Field(description="URL or path of a zip or tar.gz with class folders, as in `folder`")

    @property
    def has_files(self) -> bool:
        """Return True."""
        return True

    def addresses(self) -> list[str]:
        """Return the archive."""
        return [self.archive]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the files in the order of the archive; a folder that holds all others is left out of their paths."""
        path = self.path(self.archive, where)
        names = member_names(path)
        roots = {name.partition("/")[0] for name in names}
        n_root = len(roots.pop()) + 1 if len(roots) == 1 and all("/" in name for name in names) else 0
        placed = places([name[n_root:] for name in names], classes)
        for name, data in members(path):
            if place := placed.get(name[n_root:]):
                digest = hashlib.sha256(data).hexdigest()
                yield RawImage(name[n_root:], place.official_part, place.label, digest, data)

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the digest of names and files."""
        return file_digest(records)
