"""Decode image files and arrays to pixels of one size, the same way for a data set and for images to predict."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.errors import DataError, InputError
from pipeline.datasets.description import COMPARED_PX
from pipeline.datasets.medical import Window, medical_format, medical_image
from pipeline.datasets.standardisation import even_out, head_box

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP")
KINDS = ", ".join((*FORMATS, "DICOM", "NIfTI"))
MAX_PIXELS = 50_000_000  # the largest published slice has 3.6 million; a small PNG can claim 20,000 x 20,000
WHITE = 255  # of 8 bits
COLOUR_STEP = 16  # channels of grey pictures that were stored as colour differ by less

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Target:
    """What an image is decoded to."""

    height: int
    width: int
    channels: Literal[1, 3] | None  # None: 3, and `coloured` says whether it needs them
    fit: Literal["squash", "pad", "crop"] = "squash"
    standardise: bool = False  # cut off margins, and even out grey values
    white: int | None = None  # of arrays, and of files of more than 8 bits; None: 255, or what `scaled` is given
    window: Window | None = None  # of DICOM and NIfTI files; None: that of the DICOM header, else `white`


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded picture at two sizes, and what its file looked like before conversion and resizing.

    Pixels of 16 bits or with another white are not scaled yet: `scaled` does it once the largest value is known.
    """

    pixels: NDArray[Any]  # (height, width, channels) uint8, or float32 that are not scaled
    compared: NDArray[Any]  # (COMPARED_PX, COMPARED_PX, 1) by which copies are found, or the published pixels
    format: str
    mode: str
    width: int
    height: int
    peak: int = 0  # largest published value of pixels that are not of 8 bits
    coloured: bool = False
    cropped: bool = False  # whether margins were cut off


def decode(data: bytes | NDArray[Any], target: Target) -> DecodedImage:
    """Decode an image file or published pixels (H, W, C).

    Raises DataError with the reason if the file is unreadable, or its values do not define grey or colour.
    """
    return _decode_file(data, target) if isinstance(data, bytes) else _decode_array(data, target)


def scaled(pixels: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Return 8-bit pixels, of which 255 is white. Larger values become white."""
    return np.asarray(np.minimum(pixels.astype(np.float64) * WHITE // white, WHITE), np.uint8)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 1) of colour pixels (H, W, 3)."""
    return np.asarray(Image.fromarray(pixels).convert("L"), np.uint8)[..., None]


def white_of(peak: int) -> int:
    """Return the least power of two, less one, that holds a value: 4095 for scans of 12 bits."""
    return max(int(2 ** int(peak).bit_length()) - 1, WHITE)


def _decode_array(data: NDArray[Any], target: Target) -> DecodedImage:
    height, width, n_channels = data.shape
    is_byte = data.dtype == np.uint8 and target.white in (None, WHITE)
    pixels = data if is_byte else data.astype(np.float32)
    if (height, width) != (target.height, target.width):
        planes = [Image.fromarray(pixels[..., k]) for k in range(n_channels)]
        pixels = np.stack([np.asarray(_fitted(plane, target)) for plane in planes], axis=-1)
    peak = 0 if is_byte else max(int(data.max(initial=0)), 1)
    coloured = n_channels == 3
    if n_channels != (target.channels or n_channels):
        if target.channels == 1:
            pixels = grey(np.asarray(pixels, np.uint8)) if is_byte else pixels.mean(axis=2, keepdims=True)
        else:
            pixels = np.repeat(pixels, 3, axis=2)
    mode = "L" if n_channels == 1 else "RGB"
    return DecodedImage(
        pixels, data if is_byte else data.astype(np.float32), "raw", mode, width, height, peak, coloured
    )


def _decode_file(data: bytes, target: Target) -> DecodedImage:
    if not data:
        raise DataError("empty or missing file")
    compared = Target(COMPARED_PX, COMPARED_PX, 1, white=target.white, window=target.window)
    try:
        open_image = _opener(data, target)
        with open_image() as image:
            stored = (str(image.format), image.mode, image.width, image.height)
            picture = _pixels(image, target)
        small = picture.pixels
        if target != compared:  # decode again, since the pixels of a JPEG depend on the size it is decoded for
            with open_image() as image:
                small = _pixels(image, compared).pixels
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not a {KINDS} file") from error
    except Exception as error:  # a damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__  # on one line
        raise DataError(f"cannot be decoded: {reason}") from error
    return DecodedImage(picture.pixels, small, *stored, picture.peak, picture.coloured, picture.cropped)


def _opener(data: bytes, target: Target) -> Callable[[], Image.Image]:
    """Return a function that opens a file each time it is called."""
    if medical_format(data):
        image = medical_image(data, target.window, target.white)
        return lambda: image
    return lambda: Image.open(io.BytesIO(data), formats=FORMATS)


class _Pixels(NamedTuple):
    pixels: NDArray[Any]  # (height, width, channels)
    peak: int = 0  # as in DecodedImage
    coloured: bool = False
    cropped: bool = False


def _pixels(image: Image.Image, target: Target) -> _Pixels:
    # Pillow opens what a JPEG container holds, e.g. the several pictures of an MPO, and moving pictures
    if (n_frames := getattr(image, "n_frames", 1)) != 1:
        raise DataError(f"must hold one picture, got {n_frames}; keep one of them")
    if image.mode in ("I", "F") and not target.white:
        raise DataError(f"mode {image.mode}: 32-bit values do not define white; set `image.white`")
    if image.mode.startswith(("I", "F")):
        return _deep_pixels(ImageOps.exif_transpose(image), target)
    mode = "L" if target.channels == 1 else "RGB"
    if target.fit == "squash":
        # lets a JPEG decode at the smallest scale that still has twice the target's sides, also if half of it is cut
        # off; other formats ignore it
        times = 4 if target.standardise else 2
        image.draft(mode, (times * target.width, times * target.height))
    converted = _converted(ImageOps.exif_transpose(image), mode)
    if target.standardise:
        return _standardised(converted, target)
    pixels = np.asarray(_fitted(converted, target), np.uint8)
    if mode == "L":
        return _Pixels(pixels[:, :, None])
    return _Pixels(pixels, coloured=bool((np.abs(np.diff(pixels.astype(np.int16), axis=2)) > COLOUR_STEP).any()))


def _deep_pixels(image: Image.Image, target: Target) -> _Pixels:
    """Return pixels of more than 8 bits, not scaled yet unless they are standardised."""
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        raise DataError("holds values that are not finite; replace them")
    peak = max(int(values.max(initial=0)), 1)
    if target.standardise:
        top = float(values.max(initial=0)) or 1.0  # of this image: its own values are evened out
        return _standardised(Image.fromarray((np.maximum(values, 0) * (WHITE / top)).astype(np.uint8)), target, peak)
    plane = np.asarray(_fitted(Image.fromarray(np.maximum(values, 0)), target), np.float32)[:, :, None]
    return _Pixels(np.repeat(plane, 3, axis=2) if target.channels != 1 else plane, peak)


def _standardised(image: Image.Image, target: Target, peak: int = 0) -> _Pixels:
    whole, box = (0, 0, *image.size), head_box(image)
    pixels = np.asarray(_fitted(image.crop(box), target), np.uint8)[:, :, None]
    return _Pixels(even_out(pixels), peak, cropped=box != whole)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """Convert to L or RGB. Transparent pixels are composited over black, the background of a slice."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert(mode)


def _fitted(image: Image.Image, target: Target) -> Image.Image:
    """Resize to the size of the target. Pillow widens the filter when it shrinks: no aliasing."""
    size, resample = (target.width, target.height), Image.Resampling.BILINEAR
    if target.fit == "pad":
        return ImageOps.pad(image, size, resample)
    if target.fit == "crop":
        return ImageOps.fit(image, size, resample)
    return image.resize(size, resample)
