"""Classical image filters: what a layer without training could compute."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float64]


def _gaussian(sigma_px: float, radius_px: int) -> Image:
    """Return a kernel, (2r + 1, 2r + 1), that sums to 1."""
    bell = np.exp(-(np.arange(-radius_px, radius_px + 1) ** 2) / (2 * sigma_px**2))
    kernel: Image = np.outer(bell, bell) / bell.sum() ** 2
    return kernel


def _edge() -> Image:
    """Return a 5x5 kernel that sums to 0, so a flat area turns black."""
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
    """Return the cross-correlation of each of KERNELS with an image, (H, W) each; borders are mirrored.

    The convolutions of a network are cross-correlations too.
    """
    return {name: ndimage.correlate(image, kernel) for name, kernel in KERNELS.items()}


def filtered(image: Image) -> dict[str, Image]:
    """Return pictures from 0 to 255; both Sobel filters as the length of the gradient. image: (H, W), 0 to 255."""
    by_kernel = responses(image)
    gradient = np.hypot(by_kernel.pop("Sobel x"), by_kernel.pop("Sobel y"))
    pictures = {"original": image, "Sobel": gradient, **by_kernel}
    return {name: np.clip(picture, 0, 255) for name, picture in pictures.items()}
