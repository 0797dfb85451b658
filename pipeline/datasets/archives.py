"""Members of packed files, streamed: nothing is unpacked to disk, nothing hostile reaches memory."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError

# The largest set unpacks to 185 MB; beyond this it is a bomb or the wrong file.
MAX_UNPACKED_BYTES = 512 << 20


class BoundedGzip(gzip.GzipFile):
    """A .gz file that refuses to grow beyond `limit` bytes, so that a bomb stops there and not in memory."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self._path, self._limit, self._left = path, limit, limit

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        data = super().read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"{self._path}: refused, unpacks to more than {self._limit} bytes")
        return data


@contextmanager
def bounded_gzip(path: Path, limit: int) -> Iterator[BoundedGzip]:
    """Raises DataError on a missing, damaged or overlong file, also for what is read inside the block."""
    try:
        with BoundedGzip(path, limit) as stream:
            yield stream
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def members(path: Path, limit: int = MAX_UNPACKED_BYTES) -> Iterator[tuple[str, bytes]]:
    """(path under the archive's root folder, content) of each regular file of a .tar.gz, in archive order.

    Raises DataError on links, devices, absolute paths, `..`, and more than `limit` bytes.
    """
    with (
        bounded_gzip(path, limit) as stream,
        # a name that is not UTF-8 must still be printable and fit into a table
        tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="replace") as tar,
    ):
        for member in tar:
            _refuse_hostile(path, member, limit)
            if not member.isdir() and (file := tar.extractfile(member)):
                yield member.name.split("/", 1)[-1], file.read()


def _refuse_hostile(path: Path, member: tarfile.TarInfo, limit: int) -> None:
    name = PurePosixPath(member.name)
    reason = None
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        reason = "path leaves the archive"
    elif not (member.isreg() or member.isdir()):
        reason = "link or special file"
    elif member.issparse() or member.size > limit:
        # a sparse member claims any size without a byte in the stream, so the bounded stream does not see it
        reason = f"sparse, or larger than {limit} bytes"
    if reason:
        raise DataError(f"{path}: refused, {reason}: {member.name!r}")
