"""Where images come from: one file per kind of `source` of a data set, found automatically."""

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.core.registry import import_modules
from pipeline.core.yaml_document import Strict
from pipeline.datasets.records import RawImage, record_digests

PACKAGED = "package:"  # data inside an installed package: "package:sklearn.datasets.data/digits.csv.gz"


@dataclass(frozen=True)
class RawFile:
    """One published file. Without sha256 its packing may differ between mirrors, and the content digest decides."""

    name: str
    url: str
    sha256: str | None = None
    by_content: bool = False  # the content digest of the source decides whether it is right

    @property
    def is_recorded(self) -> bool:
        """Return whether nothing states its digest, so that the one of the first download is recorded."""
        return not (self.sha256 or self.by_content or self.url.startswith(PACKAGED))


@dataclass(frozen=True)
class Where:
    """The folders that a source is read from."""

    root: Path  # of the repository: relative paths start here
    raw: Path  # of the downloaded files


class Source(Strict, ABC):
    """Settings of one kind of source, and how it is read. Its kind is the name of its first key."""

    kind: ClassVar[str]
    sha256: dict[str, str] = Field({}, description="of the files that are published byte for byte, by name")
    content: dict[str, str] = Field({}, description="digests of the content, where mirrors pack it differently")

    @property
    def has_files(self) -> bool:
        """Return whether it reads image files, which are decoded; False: arrays of pixels of one size."""
        return False

    @abstractmethod
    def addresses(self) -> list[str]:
        """Return the URLs, packaged files or local paths that are read, in order."""

    @abstractmethod
    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images. classes: how the source spells them, where the data set says so.

        Raises DataError if the source cannot be read.
        """

    def digests(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return digests that depend neither on the packing nor on the order of the records; no pixels are needed."""
        return record_digests(records)

    def digests_of_file(self, file: RawFile, where: Where, classes: Collection[str] | None) -> dict[str, str]:
        """Return the digests of the content that a downloaded file belongs to. Raises DataError as `read` does."""
        return self.digests(self.read(where, classes))

    def watched(self) -> str | None:
        """Return what changes if the images on this machine do; None if they are downloaded."""
        local = [address for address in self.addresses() if not is_remote(address)]
        return (os.path.commonpath([Path(address).expanduser() for address in local]) or ".") if local else None

    def files(self) -> tuple[RawFile, ...]:
        """Return the files to download."""
        remote = [address for address in self.addresses() if is_remote(address)]
        names = [address.rsplit("/", 1)[-1] for address in remote]
        of = {name: self.sha256.get(name) for name in names}
        return tuple(RawFile(n, url, of[n], bool(self.content)) for n, url in zip(names, remote, strict=True))

    def fetch(self, where: Where) -> None:
        """Download what a library fetches below `where.raw`; `files` are downloaded without it.

        Raises DownloadError with what to do instead, InputError if the library is missing.
        """
        return

    def path(self, address: str, where: Where) -> Path:
        """Return where the file or folder of an address is on this machine."""
        return where.raw / address.rsplit("/", 1)[-1] if is_remote(address) else where.root / Path(address).expanduser()


def is_url(address: str) -> bool:
    """Return whether an address is a URL."""
    return address.lower().startswith(("http://", "https://"))


def is_remote(address: str) -> bool:
    """Return whether an address is a URL or a file of an installed package."""
    return is_url(address) or address.lower().startswith(PACKAGED)


def kinds() -> Mapping[str, type[Source]]:
    """Return the kinds of source by name."""
    modules = import_modules("pipeline.datasets.sources")
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {kind.kind: kind for kind in classes if issubclass(kind, Source) and "kind" in vars(kind)}
