"""The model families by name, and models rebuilt from their descriptions.

A model is named by its family (`cnn`) or by family and variant (`timm:resnet18`). Its options are a pydantic schema,
whose fields an experiment file writes as `<family>.<option>`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pipeline.core.errors import InputError, did_you_mean, first_line
from pipeline.core.registry import import_modules, registering
from pipeline.core.yaml_document import Strict


@dataclass(frozen=True)
class Shapes:
    """The input and output of a model: (B, channels, height, width) to (B, n_classes)."""

    channels: int
    height: int
    width: int
    n_classes: int


class Architecture(Strict):
    """What rebuilds a network but its weights; every option is written out."""

    model: str
    """family, or family:variant"""
    options: dict[str, Any]
    shapes: Shapes


Builder = Callable[..., nn.Module]  # (options, shapes), and the variant if the family has variants
Loader = Callable[..., None]  # (model, options, shapes), and the variant if the family has variants
Variants = Callable[[], Iterable[str]]


@dataclass(frozen=True)
class ModelSpec:
    """A family: its options, and the functions that build and load its models."""

    name: str
    options: type[Strict]
    build: Builder
    variants: Variants | None
    load: Loader | None

    def variant(self, model: str) -> list[str]:
        """Return what `build` and `load` take after the shapes: the variant, if the family has variants."""
        return [model.partition(":")[2]] if self.variants else []


_specs: dict[str, ModelSpec] = {}


def register(
    name: str, options: type[Strict], variants: Variants | None = None, load: Loader | None = None
) -> Callable[[Builder], Builder]:
    """Register `build(options, shapes)` as a family, or `build(options, shapes, variant)` if it has variants.

    load: called as `load(model, options, shapes)`, with the variant if there are any, when a training starts; reads
    the published weights that the options name. Raises ValueError if the name is taken.
    """

    def add(build: Builder) -> Builder:
        registering("model", _specs)(name)(ModelSpec(name, options, build, variants, load))
        return build

    return add


def registry() -> dict[str, ModelSpec]:
    """Return all families by name, in alphabetical order."""
    import_modules("pipeline.models")
    return dict(sorted(_specs.items()))


def model_spec(model: str) -> ModelSpec:
    """Return the family of `family` or `family:variant`.

    Raises InputError with the known names and the nearest of them.
    """
    specs = registry()
    family, colon, variant = model.partition(":")
    if family not in specs:
        known = [f"{name}:<variant>" if spec.variants else name for name, spec in specs.items()]
        raise InputError(f"unknown model {model!r}; known are {', '.join(known)}{did_you_mean(family, specs)}")
    spec = specs[family]
    if spec.variants is None and colon:
        raise InputError(f"unknown model {model!r}; {family} has no variants, write {family!r}")
    if spec.variants and variant not in (names := list(spec.variants())):
        raise InputError(f"{family} has no model {variant!r}{did_you_mean(variant, names, f'{family}:')}")
    return spec


def build_model(model: str, options: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """Return a newly initialised model, which maps (B, C, H, W) float32 to (B, n_classes) logits.

    Draws from torch's current generator and reads no file. Raises InputError if the model does not fit the image.
    """
    spec = model_spec(model)
    return spec.build(spec.options.model_validate(options), shapes, *spec.variant(model))


def start_model(model: str, options: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """Return the model that a training starts from: as `build_model`, with the published weights that its options name.

    Raises InputError if the model does not fit the image, or if the weights are missing or do not fit the model.
    """
    spec = model_spec(model)
    network = build_model(model, options, shapes)
    if spec.load:
        spec.load(network, spec.options.model_validate(options), shapes, *spec.variant(model))
    return network


def describe(model: str, options: Mapping[str, Any], shapes: Shapes) -> Architecture:
    """Return what `rebuild` needs to make the same network."""
    full = model_spec(model).options.model_validate(options).model_dump()
    return Architecture(model=model, options=full, shapes=shapes)


def rebuild(architecture: Architecture, weights: Path) -> nn.Module:
    """Return the network with the weights of a safetensors file, in evaluation mode.

    Published weights from which its training started are not needed any more.
    Raises InputError if the file is damaged or belongs to another architecture.
    """
    model = build_model(architecture.model, architecture.options, architecture.shapes)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{weights} holds no weights of this {architecture.model}: {first_line(error)}") from error
    return model.eval()
