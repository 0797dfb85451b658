"""Classical image filters: what a layer without training could compute."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float64]
_SOBEL_X = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
_BELL = np.exp(-(np.arange(-4.0, 5) ** 2) / 2)
_EDGE = np.pad([[25.0]], 2) - 1  # sums to 0, so a flat area turns black
KERNELS: dict[str, Image] = {
    "Sobel x": _SOBEL_X,
    "Sobel y": _SOBEL_X.T,
    "Gaussian, σ = 1": np.outer(_BELL, _BELL) / _BELL.sum() ** 2,  # σ in pixels
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "edge 5x5": _EDGE,
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
