"""The data sets: what is published where, how to read it packed, and what it must contain.

One spec per data set, one file per family; `SPECS` is the registry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.core.files import sha256_file
from pipeline.core.registry import import_modules


@dataclass(frozen=True)
class RawImage:
    """One published image, as it stands in the packed file."""

    source: str
    """where it stands: path under the archive root, or file and index; never an order that mirrors may change"""
    official_part: str
    """"train", "test" or "" where the publisher names no parts"""
    label: int | None
    """index into the classes; None where the folder names no class"""
    sha256: str
    """of the file; for pixel sets of the label byte followed by the published pixels"""
    data: bytes | NDArray[np.uint8]
    """an encoded image file, or pixels (H, W, C)"""


@dataclass(frozen=True)
class RawFile:
    """One published file. Without sha256 its container may differ between mirrors: the content digest decides."""

    name: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    name: str
    classes: tuple[str, ...]
    files: tuple[RawFile, ...]
    read: Callable[[Path], Iterator[RawImage]]
    """streams the records out of a folder with the packed files; DataError if they cannot be read"""
    content_digests: Callable[[Iterable[RawImage]], dict[str, str]]
    """digests that depend neither on the container nor on the order of the records; they need no Record.data"""
    digests: Mapping[str, str]
    """expected result of content_digests"""
    terms: str
    citation: str
    source_url: str
    positive: tuple[str, ...] = ()
    positive_meaning: str | None = None
    medical: bool = False
    native_px: int | None = None
    """side of the published pixels; None: image files of many sizes, resized to one grey channel"""
    keeps_official_test: bool = False
    """True: the published test part is the test part. False: everything is pooled and split by group"""

    def expected_digests(self) -> dict[str, str]:
        return {f.name: f.sha256 for f in self.files if f.sha256} | dict(self.digests)


_specs: dict[str, DatasetSpec] = {}


def register(spec: DatasetSpec) -> DatasetSpec:
    if spec.name in _specs:
        raise ValueError(f"data set {spec.name!r} is registered twice")
    _specs[spec.name] = spec
    return spec


def specs() -> dict[str, DatasetSpec]:
    """Return all data sets by name."""
    import_modules("pipeline.datasets")
    return _specs


def find_spec(name: str) -> DatasetSpec:
    if name not in specs():
        raise DataError(f"no data set {name!r}; known are {', '.join(sorted(specs()))}")
    return specs()[name]


def check_digests(spec: DatasetSpec, found: Mapping[str, str]) -> list[str]:
    """One line per digest in `found` that is not the published one."""
    expected = spec.expected_digests()
    return [
        f"{name}: sha256 must be {expected[name]}, got {got}" for name, got in found.items() if got != expected[name]
    ]


def file_digests(spec: DatasetSpec, folder: Path) -> dict[str, str]:
    """sha256 of the files that are published byte for byte. Raises DataError if a file is missing."""
    missing = [f"{folder / f.name}: no such file" for f in spec.files if not (folder / f.name).is_file()]
    if missing:
        raise DataError(f"{spec.name}: raw files are missing; run the download stage", missing)
    return {f.name: sha256_file(folder / f.name) for f in spec.files if f.sha256}
