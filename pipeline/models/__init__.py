"""The models: one file per family, one decorated function each, rebuilt from their description.

A model is named by its family (`cnn`) or by family and variant (`timm:resnet18`); its options are a
pydantic schema whose fields are written `<family>.<option>` in an experiment.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.config import Strict
from pipeline.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Shapes:
    """What a model maps: (B, channels, height, width) to (B, n_classes)."""

    channels: int
    height: int
    width: int
    n_classes: int


Builder = Callable[..., nn.Module]  # (options, shapes), and the variant where the family has variants
Loader = Callable[..., None]  # (model, options, shapes), and the variant where the family has variants
Variants = Callable[[], Iterable[str]]


@dataclass(frozen=True)
class ModelSpec:
    name: str
    options: type[Strict]
    build: Builder
    variants: Variants | None
    load: Loader | None

    def variant(self, model: str) -> list[str]:
        """What its functions take behind the shapes."""
        return [model.partition(":")[2]] if self.variants else []


_specs: dict[str, ModelSpec] = {}


def register(
    name: str, options: type[Strict], variants: Variants | None = None, load: Loader | None = None
) -> Callable[[Builder], Builder]:
    """Registers `build(options, shapes)`, or `build(options, shapes, variant)` of a family with variants.

    load: called with the built model, then the same, where a training starts; it reads the published weights that
    the options name. Raises ValueError if the family is taken.
    """

    def add(build: Builder) -> Builder:
        if name in _specs:
            raise ValueError(f"model {name!r} is registered twice")
        _specs[name] = ModelSpec(name, options, build, variants, load)
        return build

    return add


def registry() -> dict[str, ModelSpec]:
    """All families by name."""
    from pipeline.models import cnn, fast_cifar, lenet, mlp, se_resnet, timm_model, unet_encoder  # noqa: F401 - they register

    return _specs


def model_spec(model: str) -> ModelSpec:
    """Spec of `family` or `family:variant`. Raises InputError naming the known families and the nearest."""
    specs, (family, colon, variant) = registry(), model.partition(":")
    if family not in specs:
        hint = did_you_mean(family, specs)
        raise InputError(f"unknown model {model!r}; known are {', '.join(sorted(specs))} (timm:<name>){hint}")
    spec = specs[family]
    if spec.variants is None and colon:
        raise InputError(f"unknown model {model!r}; {family} has no variants, write {family!r}")
    if spec.variants and variant not in (names := list(spec.variants())):
        raise InputError(f"{family} has no model {variant!r}{did_you_mean(variant, names, f'{family}:')}")
    return spec


def build_model(model: str, options: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """A freshly initialised model: (B, C, H, W) float32 to (B, n_classes) logits. Reads no file.

    Draws from torch's current generator. Raises InputError if the model does not fit the image.
    """
    spec = model_spec(model)
    return spec.build(spec.options.model_validate(options), shapes, *spec.variant(model))


def start_model(model: str, options: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """What a training starts from: as `build_model`, with the published weights that its options name.

    Raises InputError if these are missing or do not fit, too.
    """
    spec, network = model_spec(model), build_model(model, options, shapes)
    if spec.load:
        spec.load(network, spec.options.model_validate(options), shapes, *spec.variant(model))
    return network


def describe(model: str, options: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Plain values from which `rebuild` makes the same architecture; every option is written out."""
    full = model_spec(model).options.model_validate(options).model_dump()
    return {"model": model, "options": full, "shapes": vars(shapes)}


def rebuild(description: Mapping[str, Any], weights: Path) -> nn.Module:
    """The model of `description` with the weights of a safetensors file, in evaluation mode.

    The weights that its training started from are not read, and may be gone.
    Raises InputError if the file is damaged or belongs to another architecture.
    """
    model = build_model(description["model"], description["options"], Shapes(**description["shapes"]))
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights} holds no weights of this {description['model']}: {reason}") from error
    return model.eval()


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
