"""Make the slices of different collections alike: no black margins, and the same brightness and contrast.

How much margin a collection leaves around a head and how bright its pictures are goes with the class of the images, so
a network can learn both in place of the content. Nothing here depends on any other image.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SEARCHED_PX = 256  # longest side at which the head is sought: noise is averaged out, and letters become thin
LEVELS = (5, 99)  # percentiles taken for background and white: a few bright pixels, of fat or of a vessel, do not count
THRESHOLD = 0.15  # share of the way from background to white; noise lies below, the skin above
LEAST_REGION = 0.05  # share of the largest region below which a region is text or an artefact
MARGIN = 0.02  # share of the head's width or height that is kept on either side
MEDIAN = 0.4  # of the pixels above the threshold, share of white
GAMMAS = (0.5, 2.0)  # beyond, noise and the steps between grey values would show


def head_box(grey: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the head with a small margin, pixels; the whole picture if it is uniform.

    grey: mode L. Text and other small regions apart from the head do not count.
    """
    shrink = -(-max(grey.size) // SEARCHED_PX)
    small = np.asarray(grey.reduce(shrink), np.float64)  # (h, w)
    regions, n_regions = ndimage.label(ndimage.binary_opening(small > _levels(small)[2]))
    if n_regions == 0:
        return (0, 0, *grey.size)
    sizes = np.bincount(regions.ravel())[1:]
    head = np.isin(regions, 1 + np.flatnonzero(sizes >= LEAST_REGION * sizes.max()))
    left, right = _extent(np.any(head, axis=0), shrink, grey.width)
    top, bottom = _extent(np.any(head, axis=1), shrink, grey.height)
    return left, top, right, bottom


def even_out(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch grey values from background to white, and bend them so that the median of the head is MEDIAN of white.

    pixels: any shape. Values outside LEVELS are cut off; a uniform picture is returned as it is.
    """
    background, white, threshold = _levels(pixels)
    if white <= background:
        return pixels
    stretched = ((pixels - background) / (white - background)).clip(0, 1)
    median = np.median(stretched[pixels > threshold])
    gamma = float((np.log(MEDIAN) / np.log(median.clip(0.05, 0.95))).clip(*GAMMAS))
    return np.asarray(np.rint(255 * stretched**gamma), np.uint8)


def _levels(pixels: NDArray[np.float64] | NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return the values of background and white, and the threshold between background and head."""
    background, white = (float(level) for level in np.percentile(pixels, LEVELS))
    return background, white, background + THRESHOLD * (white - background)


def _extent(inside: NDArray[np.bool_], shrink: int, length: int) -> tuple[int, int]:
    """Return where the head begins and ends along one axis, with the margin, pixels of the whole picture.

    inside: of each cell of `shrink` pixels. length: of the axis, pixels.
    """
    cells = np.flatnonzero(inside)
    first, last = int(cells[0]) * shrink, (int(cells[-1]) + 1) * shrink
    margin = round(MARGIN * (last - first))
    return max(0, first - margin), min(length, last + margin)
