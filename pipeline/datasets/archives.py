"""Read packed files as streams: nothing is unpacked to disk, and unsafe members are refused."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError
from pipeline.datasets.registry import PublishedFiles, RawFile, RawImage

# The largest data set unpacks to 185 MB; anything above this is a bomb or the wrong file.
MAX_UNPACKED_BYTES = 512 << 20
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


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
            if reason := _hostility(member, limit):
                raise DataError(f"{path}: refused, {reason}: {member.name!r}")
            if not member.isdir() and (file := tar.extractfile(member)):
                yield member.name.split("/", 1)[-1], file.read()


def _hostility(member: tarfile.TarInfo, limit: int) -> str:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        return "path leaves the archive"
    if not (member.isreg() or member.isdir()):
        return "link or special file"
    # a sparse member can claim any size without a byte in the stream, which the limit of the stream would miss
    return f"sparse, or larger than {limit} bytes" if member.issparse() or member.size > limit else ""


def class_folders(
    archive: RawFile,
    classes: tuple[str, ...],
    *,
    folders: Mapping[str, tuple[str, str]],
    digest: str,
    n_images: Mapping[str, int],
) -> PublishedFiles:
    """Describe a .tar.gz of image files whose folders name the class.

    folders: path under the archive root -> (class, official part). Every file in one of them is an image, with any
    suffix; elsewhere, files with an image suffix are records without a label and other files are ignored.
    """

    def read(folder: Path) -> Iterator[RawImage]:
        for source, data in members(folder / archive.name):
            path = PurePosixPath(source)
            name, official_part = folders.get(str(path.parent), ("", ""))
            if name or path.suffix.lower() in IMAGE_SUFFIXES:
                label = classes.index(name) if name else None
                yield RawImage(source, official_part, label, hashlib.sha256(data).hexdigest(), data)

    return PublishedFiles((archive,), read, n_images, {"images": digest}, content_digests)


def content_digests(records: Iterable[RawImage]) -> dict[str, str]:
    """Return the sha256 over the lines `<sha256>  <path under the archive root>`, sorted by path."""
    lines = [f"{r.sha256}  {r.source}\n" for r in sorted(records, key=lambda r: r.source)]
    return {"images": hashlib.sha256("".join(lines).encode()).hexdigest()}
