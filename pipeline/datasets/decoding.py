"""Image files to one grey channel: every type and mode that occurs, nothing that only looks like one."""

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

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class DecodedImage:
    pixels: NDArray[np.uint8]
    """(px, px, 1)"""
    format: str
    mode: str
    """as stored, before conversion"""
    width: int
    height: int
    """as stored, before resizing"""


def decode_image(data: bytes, px: int) -> DecodedImage:
    """Decodes an image file and resizes it to px x px; the aspect ratio is not kept.

    Raises DataError with the reason if it is unreadable or of a kind whose grey values would be guesswork.
    """
    if not data:
        raise DataError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _to_grey(image, px)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not a {', '.join(FORMATS)} file") from error
    except Exception as error:  # a damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error


def _to_grey(image: Image.Image, px: int) -> DecodedImage:
    # Pillow opens what a JPEG container holds, e.g. the several pictures of an MPO
    if (n_frames := getattr(image, "n_frames", 1)) != 1:
        raise DataError(f"must hold one picture, got {n_frames}")
    kept = (str(image.format), image.mode, image.width, image.height)
    # lets a JPEG decode at the smallest scale that still has twice the target's side; other formats ignore it
    image.draft("L", (2 * px, 2 * px))
    grey = _one_channel(ImageOps.exif_transpose(image))
    resized = grey.resize((px, px), Image.Resampling.BILINEAR)  # Pillow widens the filter when it shrinks: no aliasing
    return DecodedImage(np.asarray(resized, np.uint8)[:, :, None], *kept)


def _one_channel(image: Image.Image) -> Image.Image:
    """Mode L. Transparent pixels are composited over black, the background of a slice."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint16) // 257).astype(np.uint8))  # 65535 -> 255
    if image.mode in ("I", "F"):
        raise DataError(f"mode {image.mode}: 32-bit values have no agreed white")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("L")
