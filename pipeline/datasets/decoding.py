"""Decode image files to one grey channel; accept only known file types and modes."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.errors import DataError

FORMATS = ("JPEG", "PNG", "TIFF")
# The largest published slice has 3.6 million pixels. A few kilobytes of PNG can claim 20,000 x 20,000.
MAX_PIXELS = 50_000_000
# Copies are sought at this fixed size, so that groups and parts do not depend on image_px.
COMPARED_PX = 64

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture at two sizes, and what its file looked like."""

    pixels: NDArray[np.uint8]
    """(image_px, image_px, 1), or the published pixels (H, W, C)"""
    compared: NDArray[np.uint8]
    """(COMPARED_PX, COMPARED_PX, 1) by which copies are found, or the published pixels (H, W, C)"""
    format: str
    mode: str
    """as stored, before conversion"""
    width: int
    height: int
    """as stored, before resizing"""


def decode_image(data: bytes, image_px: int) -> DecodedImage:
    """Decode an image file and resize it to image_px x image_px; the aspect ratio is not kept.

    Raises DataError with the reason if the file is unreadable, or its mode does not define grey values.
    """
    if not data:
        raise DataError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            stored = (str(image.format), image.mode, image.width, image.height)
            pixels = _grey_pixels(image, image_px)
        if image_px == COMPARED_PX:
            return DecodedImage(pixels, pixels, *stored)
        # decode again, since the pixels of a JPEG depend on the size it is decoded for
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return DecodedImage(pixels, _grey_pixels(image, COMPARED_PX), *stored)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not a {', '.join(FORMATS)} file") from error
    except Exception as error:  # a damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error


def _grey_pixels(image: Image.Image, px: int) -> NDArray[np.uint8]:
    """Return (px, px, 1)."""
    # Pillow opens what a JPEG container holds, e.g. the several pictures of an MPO
    if (n_frames := getattr(image, "n_frames", 1)) != 1:
        raise DataError(f"must hold one picture, got {n_frames}")
    # lets a JPEG decode at the smallest scale that still has twice the target's side; other formats ignore it
    image.draft("L", (2 * px, 2 * px))
    grey = _one_channel(ImageOps.exif_transpose(image))
    resized = grey.resize((px, px), Image.Resampling.BILINEAR)  # Pillow widens the filter when it shrinks: no aliasing
    return np.asarray(resized, np.uint8)[:, :, None]


def _one_channel(image: Image.Image) -> Image.Image:
    """Convert to mode L. Transparent pixels are composited over black, the background of a slice."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint16) // 257).astype(np.uint8))  # 65535 -> 255
    if image.mode in ("I", "F"):
        raise DataError(f"mode {image.mode}: 32-bit values do not define white")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("L")
