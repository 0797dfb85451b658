"""One image as its source holds it, and the digests that prove the content of a source."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RawImage:
    """One image of a source, before it is decoded."""

    source: str  # path below the root of folder or archive, or file and index; never an order that mirrors may change
    official_part: str  # "train", "val", "test", or "" if the source names no parts
    label: str | int | None  # as the source spells it: a folder, a value of a table, a number; None: it has none
    sha256: str  # of the file; for arrays, of the label byte followed by the pixels
    data: bytes | NDArray[Any]  # an encoded image file, or pixels (H, W, C)
    problem: str = ""  # why the file cannot be read
    volume: str = ""  # path of the volume that it is a slice of
    origin: str = ""  # name of its source, where several are joined
    group: str = ""  # patient, or another group that the source states; "" where unknown


def file_digest(records: Iterable[RawImage]) -> dict[str, str]:
    """Return the sha256 over the lines `<sha256>  <path under the root>`, sorted by path."""
    lines = [f"{r.sha256}  {r.source}\n" for r in sorted(records, key=lambda r: r.source)]
    return {"images": hashlib.sha256("".join(lines).encode()).hexdigest()}


def record_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """Return, per official part, the sha256 over the sorted 32-byte sha256 of its records."""
    parts: dict[str, list[bytes]] = defaultdict(list)
    for record in records:
        parts[record.official_part or "records"].append(bytes.fromhex(record.sha256))
    return {part: hashlib.sha256(b"".join(sorted(digests))).hexdigest() for part, digests in parts.items()}


def file_record(path: Path, source: str, official_part: str, label: str | None, group: str = "") -> RawImage:
    """Return the record of an image file on this machine; one that cannot be read has no data, but a problem."""
    try:
        data, problem = path.read_bytes(), ""
    except OSError as error:
        data, problem = b"", f"cannot be read: {error.strerror}"
    return RawImage(source, official_part, label, hashlib.sha256(data).hexdigest(), data, problem, group=group)
