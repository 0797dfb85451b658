"""The filters of the practicals, made by hand: what a network without training could look with."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float64]


def _gaussian(sigma_px: float, radius_px: int) -> Image:
    """(2r + 1, 2r + 1), sums to 1."""
    bell = np.exp(-(np.arange(-radius_px, radius_px + 1) ** 2) / (2 * sigma_px**2))
    kernel: Image = np.outer(bell, bell) / bell.sum() ** 2
    return kernel


def _edge() -> Image:
    """5x5; sums to 0, so a flat area turns black."""
    kernel = np.full((5, 5), -1.0)
    kernel[2, 2] = 24
    return kernel


_SOBEL_X = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
KERNELS: dict[str, Image] = {
    "Sobel x": _SOBEL_X,
    "Sobel y": _SOBEL_X.T,
    "Gaussian, σ = 1": _gaussian(1.0, 4),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "edge 5x5": _edge(),
}


def responses(image: Image) -> dict[str, Image]:
    """What each of KERNELS gives of an image (H, W), the same size; borders are mirrored.

    Cross-correlations, as the convolutions of a network are.
    """
    return {name: ndimage.correlate(image, kernel) for name, kernel in KERNELS.items()}


def filtered(image: Image) -> dict[str, Image]:
    """As pictures, clipped to 0 to 255; both Sobel filters as the length of the gradient. image: (H, W), 0 to 255."""
    found = responses(image)
    gradient = np.hypot(found.pop("Sobel x"), found.pop("Sobel y"))
    return {name: np.clip(result, 0, 255) for name, result in {"original": image, "Sobel": gradient, **found}.items()}
