"""Read packed files as streams: nothing is unpacked to disk, and unsafe members are refused."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError

# what one file unpacks to, and the limit of an archive, which is read as a stream; docs/data.md names both
MAX_UNPACKED_BYTES = 512 << 20
MAX_ARCHIVE_BYTES = 256 << 30


class BoundedGzip(gzip.GzipFile):
    """A .gz file that refuses to unpack to more than `limit` bytes, so that a bomb cannot fill the memory."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self._refusal = f"{path}: refused, unpacks to more than {limit} bytes"
        self._n_remaining = limit

    def read(self, size: int | None = -1) -> bytes:
        """Read like a file. Raises DataError at the first byte beyond the limit."""
        most = self._n_remaining + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        self._n_remaining -= len(data)
        if self._n_remaining < 0:
            raise DataError(self._refusal)
        return data


@contextmanager
def bounded_gzip(path: Path, limit: int) -> Iterator[BoundedGzip]:
    """Open a .gz file. Raises DataError if it is missing, damaged or too long, also while the block reads it."""
    try:
        with BoundedGzip(path, limit) as stream:
            yield stream
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def members(path: Path, limit: int = MAX_ARCHIVE_BYTES) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of each regular file of a .zip or .tar.gz, in archive order.

    Raises DataError on links, devices, absolute paths, `..`, members of more than MAX_UNPACKED_BYTES, and more than
    `limit` bytes in all.
    """
    if zipfile.is_zipfile(path):
        with _opened_zip(path) as archive:
            for info in _zip_members(path, archive, limit):
                yield _normal(info.filename), archive.read(info)
        return
    with (
        bounded_gzip(path, limit) as stream,
        # a name that is not UTF-8 must still be printable and fit into a table
        tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="replace") as tar,
    ):
        for member in tar:
            if reason := _hostility(member, limit):
                raise DataError(f"{path}: refused, {reason}: {member.name!r}")
            if not member.isdir() and (file := tar.extractfile(member)):
                yield _normal(member.name), file.read()


def member_names(path: Path) -> list[str]:
    """Return the paths of the regular files of a .zip or .tar.gz. Raises DataError as `members` does."""
    if zipfile.is_zipfile(path):
        with _opened_zip(path) as archive:
            return [_normal(info.filename) for info in _zip_members(path, archive, MAX_ARCHIVE_BYTES)]
    return [name for name, _ in members(path)]


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: damaged file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _zip_members(path: Path, archive: zipfile.ZipFile, limit: int) -> list[zipfile.ZipInfo]:
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files:
        is_link = info.external_attr >> 28 == 0o12  # S_IFLNK in the upper half, as unzip reads it
        reason = "link or special file" if is_link else _escape(info.filename)
        if not reason and info.file_size > MAX_UNPACKED_BYTES:
            reason = f"larger than {MAX_UNPACKED_BYTES} bytes"
        if reason:
            raise DataError(f"{path}: refused, {reason}: {info.filename!r}")
    if sum(info.file_size for info in files) > limit:
        raise DataError(f"{path}: refused, unpacks to more than {limit} bytes")
    return files


def _hostility(member: tarfile.TarInfo, limit: int) -> str:
    if reason := _escape(member.name):
        return reason
    if not (member.isreg() or member.isdir()):
        return "link or special file"
    # a sparse member can claim any size without a byte in the stream, which the limit of the stream would miss
    most = min(limit, MAX_UNPACKED_BYTES)
    return f"sparse, or larger than {most} bytes" if member.issparse() or member.size > most else ""


def _escape(member: str) -> str:
    name = PurePosixPath(member)
    leaves = name.is_absolute() or ".." in name.parts or "\\" in member or "\0" in member
    return "path leaves the archive" if leaves else ""


def _normal(member: str) -> str:
    return PurePosixPath(member).as_posix()
