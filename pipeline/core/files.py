"""Files that are written whole or not at all, JSON, checksums, and locks."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import BusyError, InputError
from pipeline.core.progress import size_text


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; flush it to disk and rename it to `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as f:
            os.fsync(f.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, keys in the given order. Raises ValueError on NaN and inf, which JSON does not know."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_space(folder: Path, n_bytes: int) -> None:
    """Raise InputError if the disk of a folder, which may not exist yet, has less than n_bytes of free space."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < n_bytes:
        raise InputError(
            f"{folder}: needs {size_text(n_bytes)} of disk space, but {size_text(free)} are free; delete files on it"
        )


@contextmanager
def locked(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel releases it when the process ends, even if it is killed.

    what: the locked thing, for the message. Raises BusyError with the process that holds the lock, unless `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            f.seek(0)
            raise BusyError(f"{what} is in use by {f.read() or 'another process'}; wait for it or stop it") from None
        f.truncate(0)
        f.write(f"process {os.getpid()}")
        f.flush()
        yield
        f.truncate(0)
