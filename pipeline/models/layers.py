"""TODO models.layers."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from pipeline.core.errors import InputError


class Paced(nn.Sequential):
    """Layers that learn at `lr_factor` times the learning rate."""

    def __init__(self, layers: OrderedDict[str, nn.Module], lr_factor: float) -> None:
        super().__init__(layers)
        self.lr_factor = lr_factor


class FromImages(nn.Module):
    """A layer whose first weights follow from the training images that enter the model."""

    def fit(self, batches: Iterable[Tensor]) -> None:
        """batches: (B, C, H, W) float32 each, train-normalised."""
        raise NotImplementedError


def fit_to_images(model: nn.Module, batches: Callable[[], Iterable[Tensor]]) -> None:
    """batches: gives some training images anew, (B, C, H, W) float32 at a time, train-normalised."""
    for layer in model.modules():
        if isinstance(layer, FromImages):
            layer.fit(batches())


def lr_factors(model: nn.Module) -> dict[nn.Parameter, float]:
    """Learning rate of each trainable parameter / that of the configuration; frozen ones are left out."""
    factors = {p: 1.0 for p in model.parameters() if p.requires_grad}
    for part in model.modules():
        if isinstance(part, Paced):
            factors |= {p: part.lr_factor for p in part.parameters() if p.requires_grad}
    return factors


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def conv_output_px(input_px: int, kernel_px: int, padding_px: int, stride_px: int) -> int:
    """⌊(I + 2P − K) / S⌋ + 1. Source: Dumoulin and Visin 2016, arXiv:1603.07285, relationship 5."""
    return (input_px + 2 * padding_px - kernel_px) // stride_px + 1


def require_pixels(n: int, model: str, layer: str) -> None:
    """Raises InputError if a layer's output would have no pixel."""
    if n < 1:
        raise InputError(f"{model}: {layer} leaves no pixel of the image; use fewer layers or a larger image")
