"""Stream the members of packed files: nothing is unpacked to disk, and unsafe members are refused."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError

# The largest data set unpacks to 185 MB; anything above this is a bomb or the wrong file.
MAX_UNPACKED_BYTES = 512 << 20


class BoundedGzip(gzip.GzipFile):
    """A .gz file that refuses to unpack to more than `limit` bytes, so that a bomb cannot fill the memory."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self._path = path
        self._limit = limit
        self._n_remaining = limit

    def read(self, size: int | None = -1) -> bytes:
        """Read like a file. Raises DataError at the first byte beyond the limit."""
        most = self._n_remaining + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        self._n_remaining -= len(data)
        if self._n_remaining < 0:
            raise DataError(f"{self._path}: refused, unpacks to more than {self._limit} bytes")
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


def members(path: Path, limit: int = MAX_UNPACKED_BYTES) -> Iterator[tuple[str, bytes]]:
    """Yield (path under the archive's root folder, content) of each regular file of a .tar.gz, in archive order.

    Raises DataError on links, devices, absolute paths, `..` and more than `limit` bytes.
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
        # a sparse member can claim any size without a byte in the stream, which the limit of the stream would miss
        reason = f"sparse, or larger than {limit} bytes"
    if reason:
        raise DataError(f"{path}: refused, {reason}: {member.name!r}")
