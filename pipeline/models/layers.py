"""Parts of networks that several families share, and what a training asks of any network."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from pipeline.core.errors import InputError


class ScaledLearningRate(nn.Sequential):
    """Layers that learn at `lr_scale` times the learning rate of the configuration."""

    def __init__(self, layers: OrderedDict[str, nn.Module], lr_scale: float) -> None:
        super().__init__(layers)
        self.lr_scale = lr_scale


class FittedToImages(nn.Module):
    """A layer whose first weights are computed from the training images."""

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Set the weights. batches: (B, C, H, W) float32 each, train-normalised."""
        raise NotImplementedError


def fit_to_images(model: nn.Module, batches: Callable[[], Iterable[Tensor]]) -> None:
    """Fit all layers that start from images.

    batches: returns a new iterator over some training images, (B, C, H, W) float32 each, train-normalised.
    """
    for layer in model.modules():
        if isinstance(layer, FittedToImages):
            layer.fit(batches())


def lr_scales(model: nn.Module) -> dict[nn.Parameter, float]:
    """Return the factor on the learning rate for each trainable parameter; frozen ones are omitted."""
    scales = {p: 1.0 for p in model.parameters() if p.requires_grad}
    for part in model.modules():
        if isinstance(part, ScaledLearningRate):
            scales |= {p: part.lr_scale for p in part.parameters() if p.requires_grad}
    return scales


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def conv_output_px(input_px: int, kernel_px: int, padding_px: int, stride_px: int) -> int:
    """Return ⌊(I + 2P − K) / S⌋ + 1. Source: Dumoulin and Visin 2016, arXiv:1603.07285, relationship 5."""
    return (input_px + 2 * padding_px - kernel_px) // stride_px + 1


def require_pixels(n: int, model: str, layer: str) -> None:
    """Raise InputError if the output of a layer has no pixel."""
    if n < 1:
        raise InputError(f"{model}: {layer} leaves no pixel of the image; use fewer layers or a larger image")
