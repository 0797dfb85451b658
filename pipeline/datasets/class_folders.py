"""Folders that name the class: which folder of a path is the class, which the part, and which files are no images."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.core.errors import DataError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".dcm", ".nii", ".nii.gz"}
JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # what operating systems leave in folders
PART_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Place:
    """What the folders of a path say."""

    label: str | None  # None: the file is in no class folder
    official_part: str  # "" where no folder names one


def is_junk(path: str) -> bool:
    """Return whether a file is no data: hidden, or what an operating system left there."""
    return any(part in JUNK or part.startswith(".") for part in PurePosixPath(path).parts)


def places(paths: Iterable[str], classes: Collection[str] | None) -> dict[str, Place]:
    """Return what the folders say of each file that may be an image, in the given order.

    classes: names of the class folders. None: the folders at the first level at which there are several, or, where
    these name parts (`train`, `val`, `test`), those below. Folders below a class folder are part of it. Files outside
    of class folders count if they have the suffix of an image. Raises DataError if only some folders name parts.
    """
    split = {path: PurePosixPath(unicodedata.normalize("NFC", path)).parts for path in paths if not is_junk(path)}
    if classes is not None:
        known = {unicodedata.normalize("NFC", name) for name in classes}
        placed = {path: _among(parts[:-1], known) for path, parts in split.items()}
    else:
        # DICOM files may have no suffix
        images = [parts for path, parts in split.items() if is_image(path)] or list(split.values())
        depth = _n_shared([parts[:-1] for parts in images])
        tops = {parts[depth] for parts in images if len(parts) > depth + 1}
        named = {top for top in tops if top.lower() in PART_OF_FOLDER}
        if named and named != tops:
            others = ", ".join(sorted(tops - named))
            raise DataError(f"{others}: next to the parts {', '.join(sorted(named))}; move them, or set `classes`")
        by_part = bool(named)
        placed = {path: _below(parts[depth:-1], by_part=by_part) for path, parts in split.items()}
    return {path: place for path, place in placed.items() if place.label is not None or is_image(path)}


def is_image(path: str) -> bool:
    """Return whether a path has the suffix of an image file."""
    return path.lower().endswith(tuple(IMAGE_SUFFIXES))


def _among(folders: tuple[str, ...], classes: Collection[str]) -> Place:
    at = next((i for i, folder in enumerate(folders) if folder in classes), None)
    above = folders if at is None else folders[:at]
    part = next((PART_OF_FOLDER[f.lower()] for f in above if f.lower() in PART_OF_FOLDER), "")
    return Place(None if at is None else folders[at], part if at is not None else "")


def _below(folders: tuple[str, ...], *, by_part: bool) -> Place:
    part = PART_OF_FOLDER[folders[0].lower()] if by_part and folders and folders[0].lower() in PART_OF_FOLDER else ""
    rest = folders[1:] if part else folders
    return Place(rest[0] if rest else None, part)


def _n_shared(folders: list[tuple[str, ...]]) -> int:
    """Return the number of leading folders that all files share."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    n = 0
    while n < min(len(first), len(last)) and first[n] == last[n]:
        n += 1
    return n


def by_number(name: str) -> list[str | int]:
    """Return a key that sorts "10" after "9"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
