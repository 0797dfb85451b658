"""A folder on this machine whose subfolders name the class."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.core.errors import DataError
from pipeline.datasets.class_folders import is_junk, places
from pipeline.datasets.records import RawImage, file_digest, file_record
from pipeline.datasets.sources import Source, Where


class FolderSource(Source):
    """`source: {folder: ~/shapes}`."""

    kind: ClassVar = "folder"

    folder: str = Field(description="class folders, any depth below them; train, val and test above them name parts")

    @property
    def has_files(self) -> bool:
        """Return True."""
        return True

    def addresses(self) -> list[str]:
        """Return the folder."""
        return [self.folder]

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the files in the order of their paths."""
        folder = self.path(self.folder, where)
        paths = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
        for name, place in places(paths, classes).items():
            yield file_record(paths[name], name, place.official_part, place.label)

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the digest of names and files."""
        return file_digest(records)


def files_below(folder: Path) -> list[Path]:
    """Return all files at any depth, sorted. Raises DataError if there is no folder, or a link leads to no file."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; correct `source` in the file of the data set")
    paths = sorted(folder.rglob("*"))
    dangling = [path for path in paths if path.is_symlink() and not path.is_file()]
    links = [path for path in dangling if not is_junk(path.relative_to(folder).as_posix())]
    if links:
        how = "put the files or folders themselves there"
        raise DataError(f"{folder}: {len(links):,} links lead to no file; {how}", [f"{path}: link" for path in links])
    return [path for path in paths if path.is_file()]
