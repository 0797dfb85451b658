"""Images that a user hands to a trained model: where they are, and how they become what `prepare` makes of a file."""

import base64
import binascii
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.errors import DataError, first_line
from pipeline.datasets.class_folders import is_image, is_junk
from pipeline.datasets.decoding import KINDS, Target, decode, scaled, white_of
from pipeline.datasets.medical import medical_format

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"GIF8", b"RIFF", b"BM")  # of FORMATS
GREY_MODES = ("1", "L", "LA", "La")
MAX_NAME = 4096  # characters of a path; what is no path can be much longer
COLOURS = Target(64, 64, 3)  # of the image whose colours are measured


@dataclass
class ImageFiles:
    """What a search for image files returns."""

    paths: list[Path]  # without repetition; the files of a folder are sorted
    problems: list[str]  # `name: reason`
    n_hidden: int = 0  # hidden files and folders, and those of operating systems
    n_other: int = 0  # files without an image suffix


@dataclass(frozen=True)
class InputImage:
    """An image as the model sees it, and what its file looked like."""

    pixels: NDArray[np.uint8]  # DatasetInfo.image_shape
    width: int
    height: int
    colour: float  # mean over pixels of the largest difference between two channels, 0 (grey) to 255


def find_images(names: Sequence[str], lines: Sequence[str] = ()) -> ImageFiles:
    """Find the files that the names mean: a file, a folder, searched at any depth, a glob pattern, or `-` for `lines`.

    A file that is named is taken with any suffix; a folder or a pattern contributes image files only.
    """
    result = ImageFiles([], [])
    for name in chain.from_iterable(lines if name == "-" else [name] for name in names):
        try:
            result.paths += _matches(name, result)
        except (OSError, ValueError) as error:  # too long, or with a null character
            result.problems.append(f"{name}: {first_line(error)}")
    result.paths = list(dict.fromkeys(result.paths))
    return result


def _matches(name: str, result: ImageFiles) -> Iterator[Path]:
    """Yield the files that one name means; count and note in `result` what is skipped."""
    path = Path(name)
    if path.is_dir():
        yield from _in_folder(path, result)
    elif path.exists():
        yield path
    elif matches := sorted(glob(name, recursive=True)):  # noqa: PTH207 (Path.glob takes no absolute pattern)
        for match in map(Path, matches):
            yield from _in_folder(match, result) if match.is_dir() else _if_image(match, result)
    else:
        result.problems.append(f"{name}: no such file, and no file matches it as a pattern")


def _in_folder(folder: Path, result: ImageFiles) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=_noting(result)):
        visible = sorted(name for name in folders if not is_junk(name))
        result.n_hidden += len(folders) - len(visible)
        folders[:] = visible
        for name in sorted(files):
            yield from _if_image(Path(parent, name), result)


def _noting(result: ImageFiles) -> Callable[[OSError], None]:
    return lambda error: result.problems.append(f"{error.filename}: cannot be read: {error.strerror}")


def _if_image(path: Path, result: ImageFiles) -> Iterator[Path]:
    if is_junk(path.name):
        result.n_hidden += 1
    elif not is_image(path.name):
        result.n_other += 1
    else:
        yield path


def target_of_model(dataset: DatasetInfo) -> Target:
    """Return what images are decoded to for a model of a data set, as `prepare` decodes its files."""
    height, width, n_channels = dataset.image_shape
    return Target(
        height, width, 3 if n_channels == 3 else 1, dataset.fit, dataset.standardise, dataset.white, dataset.window
    )


def read_image(image: Any, dataset: DatasetInfo, *, may_read_paths: bool = True) -> InputImage:
    """Decode a path, the bytes of a file, their base64 text, or an array as `prepare` decodes files of the data set.

    Arrays are (H, W) or (H, W, C) of 0 to 255 with 1, 3 or 4 channels, the fourth being opacity.
    Raises DataError with the reason if that is impossible.
    """
    data = _file_bytes(image, may_read_paths)
    target = target_of_model(dataset)
    decoded = decode(data, target)
    pixels = decoded.pixels
    if decoded.peak:
        pixels = scaled(pixels, target.white or white_of(decoded.peak))
    is_grey = decoded.mode in GREY_MODES or bool(decoded.peak)
    colour = 0.0 if is_grey else float(np.ptp(decode(data, COLOURS).pixels, axis=2).mean())
    return InputImage(pixels, decoded.width, decoded.height, colour)


def image_name(image: Any, k: int) -> str:
    """Return the path as text that any file can hold, or `image k` of an image without a path."""
    is_path = isinstance(image, os.PathLike) or (isinstance(image, str) and _from_base64(image) is None)
    return os.fsencode(image).decode(errors="replace")[:MAX_NAME] if is_path else f"image {k}"


def _file_bytes(image: Any, may_read_paths: bool) -> bytes:
    """Return the bytes of an image file."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str) and (data := _from_base64(image)):
        return data
    if isinstance(image, str | os.PathLike):
        if not may_read_paths:
            raise DataError(f"not the base64 text of a {KINDS} file; a server reads no paths")
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise DataError(f"no path, and not the base64 text of a {KINDS} file: {error}") from error
    return _png(np.asarray(image))


def _from_base64(text: str) -> bytes | None:
    """Return the file that the text holds, with or without `data:…;base64,` before it; None if it holds no image."""
    try:
        data = base64.b64decode("".join(text.rpartition(",")[2].split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(SIGNATURES) or medical_format(data) else None


def _png(array: NDArray[Any]) -> bytes:
    """Return the array as a PNG file, so that it takes the way of all files."""
    if array.dtype.kind not in "uif":
        raise DataError(f"must be a path, bytes, base64 text or an array of numbers, got {array.dtype}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise DataError(f"an array must be (H, W) or (H, W, C) with 1, 3 or 4 channels, got {array.shape}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # NaN fails, too
        raise DataError(f"an array must hold values from 0 to 255, got {low:g} to {high:g}")
    if array.dtype.kind == "f" and 0 < high <= 1:
        raise DataError(f"an array must hold values from 0 to 255, got {low:g} to {high:g}; multiply it by 255")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array.round().astype(np.uint8))).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
