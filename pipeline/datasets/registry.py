"""The registry of data sets: what is published, how it is read, and which digests prove its content.

A data set is one file of this room that calls `register`; it is discovered automatically.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.core.files import sha256_file
from pipeline.core.registry import import_modules, registering


@dataclass(frozen=True)
class RawImage:
    """One published image, as the packed file holds it."""

    source: str  # path under the archive root, or file and index; never an order that mirrors may change
    official_part: str  # "train", "test", or "" if the publisher names no parts
    label: int | None  # index into the classes; None if the folder names no class
    sha256: str  # of the file; for pixel sets, of the label byte followed by the published pixels
    data: bytes | NDArray[np.uint8]  # an encoded image file, or pixels (H, W, C)


@dataclass(frozen=True)
class RawFile:
    """One published file. Without sha256 its packing may differ between mirrors, and the content digest decides."""

    name: str
    url: str
    sha256: str | None = None


def record_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """Return, per official part, the sha256 over the sorted 32-byte sha256 of its records."""
    parts: dict[str, list[bytes]] = defaultdict(list)
    for record in records:
        parts[record.official_part or "records"].append(bytes.fromhex(record.sha256))
    return {part: hashlib.sha256(b"".join(sorted(digests))).hexdigest() for part, digests in parts.items()}


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a data set: where they are, how to read them, and what proves their content."""

    files: tuple[RawFile, ...]
    # streams the records from a folder with the files; raises DataError if they cannot be read
    read: Callable[[Path], Iterator[RawImage]]
    n_images: Mapping[str, int]  # official part -> number of published images
    # expected result of content_digests; empty if the files are published byte for byte
    digests: Mapping[str, str] = field(default_factory=dict)
    # depends neither on the packing nor on the order of the records; RawImage.data is not needed
    content_digests: Callable[[Iterable[RawImage]], dict[str, str]] = record_digests

    def expected_digests(self) -> dict[str, str]:
        """Return name -> sha256 of the files published byte for byte and of the content."""
        return {f.name: f.sha256 for f in self.files if f.sha256} | dict(self.digests)

    def digests_of(self, records: Iterable[RawImage]) -> dict[str, str]:
        """Return the content digests of the records; none if the files are published byte for byte."""
        return self.content_digests(records) if self.digests else {}

    def wrong_digests(self, digests: Mapping[str, str]) -> list[str]:
        """Return one line per digest that differs from the published one."""
        expected = self.expected_digests()
        wrong = {name: got for name, got in digests.items() if got != expected[name]}
        return [f"{name}: sha256 must be {expected[name]}, got {got}" for name, got in wrong.items()]


@dataclass(frozen=True)
class Reference:
    """Whom to cite, and on which terms the data may be used."""

    citation: str
    url: str
    terms: str


@dataclass(frozen=True)
class PositiveClasses:
    """The classes that a screening looks for."""

    names: tuple[str, ...]
    meaning: str
    medical: bool = False


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: everything that is known before it is downloaded."""

    name: str
    classes: tuple[str, ...]
    published: PublishedFiles
    reference: Reference
    positive: PositiveClasses | None = None
    # (height, width, channels) of published pixels; None: image files of many sizes, resized to one grey channel
    native_shape: tuple[int, int, int] | None = None
    keeps_official_test: bool = False  # False: all images are pooled and split by group


_specs: dict[str, DatasetSpec] = {}


def register(spec: DatasetSpec) -> DatasetSpec:
    """Add a data set. Raises ValueError if its name is taken."""
    return registering("data set", _specs)(spec.name)(spec)


def specs() -> dict[str, DatasetSpec]:
    """Return all data sets by name."""
    import_modules("pipeline.datasets")
    return _specs


def find_spec(name: str) -> DatasetSpec:
    """Return the data set of this name. Raises DataError that lists the known names."""
    if name not in specs():
        raise DataError(f"no data set {name!r}; known are {', '.join(sorted(specs()))}")
    return specs()[name]


def check_files(spec: DatasetSpec, folder: Path) -> dict[str, str]:
    """Return the sha256 of the files published byte for byte; raise DataError if one changed or any is missing."""
    files = spec.published.files
    if missing := [f"{folder / f.name}: no such file" for f in files if not (folder / f.name).is_file()]:
        raise DataError(f"{spec.name}: raw files are missing; run the download stage", missing)
    digests = {f.name: sha256_file(folder / f.name) for f in files if f.sha256}
    if problems := spec.published.wrong_digests(digests):
        raise DataError(f"{spec.name}: raw files have changed; rerun the download stage", problems)
    return digests


def check_content(spec: DatasetSpec, records: list[RawImage]) -> dict[str, str]:
    """Return the content digests. Raises DataError if the records are not the published images."""
    digests = spec.published.digests_of(records)
    problems = spec.published.wrong_digests(digests)
    n_images = Counter(record.official_part for record in records)
    if n_images != spec.published.n_images:
        problems.append(f"images per official part: must be {dict(spec.published.n_images)}, got {dict(n_images)}")
    if problems:
        raise DataError(f"{spec.name}: the raw files do not hold the published images; rerun download", problems)
    return digests
