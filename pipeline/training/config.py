"""The configuration of one training: its schema, and the field of every key of an experiment file.

A key is a field of `Training`, or `<family>.<option>` for an option of a model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError, core_schema

from pipeline.core.errors import UnknownKeyError
from pipeline.core.yaml_document import Integer, Number, Strict
from pipeline.models.registry import model_spec, registry
from pipeline.training.optimizers import registry as optimizers
from pipeline.training.schedules import registry as schedules


@dataclass(frozen=True)
class OneOf:
    """A field that holds a name of a registry: like a Literal whose values are looked up when they are needed."""

    registry: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.registry())}

    def _check(self, name: str) -> str:
        if name not in (known := list(self.registry())):
            raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, known))})
        return name


class Training(Strict):
    """Everything that decides how one network is trained; an experiment replaces some values by ranges.

    The options of a model are further keys, `<family>.<option>`; see `pipeline/models`.
    """

    model: str = Field(description="model family, or family:variant")
    lr: Number = Field(gt=0, le=100, description="peak learning rate")
    batch_size: Integer = Field(ge=1, description="images per step")
    n_epochs: Integer = Field(ge=1, le=10_000, description="passes over the training part")
    optimizer: Annotated[str, OneOf(optimizers)] = Field(
        "adamw",
        description="sgd has Nesterov momentum; muon moves convolutions by orthogonal steps of lr times their norm",
    )
    momentum: Number = Field(0.9, ge=0, lt=1, description="for sgd and muon; the others ignore it")
    weight_decay: Number = Field(0.0, ge=0, le=10, description="not applied to biases and norms; muon ignores it")
    schedule: Annotated[str, OneOf(schedules)] = Field(
        "constant", description="learning-rate schedule: how lr changes from step to step"
    )
    label_smoothing: Number = Field(0.0, ge=0, lt=1, description="share of the target spread evenly")
    class_weights: bool = Field(False, description="weight the loss by inverse class frequency")
    images_per_unit: Integer = Field(
        0, ge=0, description="images drawn of each patient, else of each group of copies, per epoch; 0: all"
    )
    balance_origins: bool = Field(
        False, description="draw the images of a class equally often from each collection, some of them twice"
    )
    flip: Literal["none", "horizontal", "alternating", "both"] = Field(
        "none",
        description="mirror along these axes, each with probability 1/2; alternating: horizontally, every other epoch",
    )
    shift: Number = Field(0.0, ge=0, le=0.5, description="largest shift, share of the image side")
    intensity: Number = Field(0.0, ge=0, le=1, description="largest change of contrast and brightness, SDs")
    rotate_deg: Number = Field(0.0, ge=0, le=180, description="largest rotation, degrees")
    zoom: Number = Field(0.0, ge=0, le=1, description="largest magnification or reduction, share of the side")
    cutout: Number = Field(0.0, ge=0, le=1, description="side of a blanked square, share of the image side")
    test_time_augmentation: Literal["none", "mirrored", "mirrored_both", "crops"] = Field(
        "none", description="versions of an image whose predictions are averaged; crops: mirrored, and shifted by 1 px"
    )
    bias_lr_scale: Number = Field(
        1.0, gt=0, le=1000, description="factor on lr for biases and norms; muon: for everything but convolutions"
    )
    clip_norm: Number = Field(0.0, ge=0, description="largest norm of the gradient; 0: no limit")
    ema_decay: Number = Field(0.0, ge=0, lt=1, description="decay per step of the averaged weights; 0: no averaging")
    patience: Integer = Field(0, ge=0, description="early stopping: epochs without a lower val loss; 0: never")
    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = Field(
        "float32",
        description="of products; weights stay float32; auto: the fastest as measured, so runs may differ",
    )


def find_field(key: str) -> tuple[type[Strict], str]:
    """Return the schema and the name of the field that a key sets.

    Raises UnknownKeyError if no field has this key.
    """
    family, dot, option = key.partition(".")
    specs = registry()
    if not dot:
        return Training, _known(key, "unknown key; known are", Training.model_fields)
    schema = specs[_known(family, f"unknown model {family!r}; known are", specs)].options
    return schema, _known(option, f"{family} has no option {option!r}; it has", schema.model_fields)


def _known(name: str, rule: str, known: Iterable[str]) -> str:
    names = list(known)
    if name not in names:
        raise UnknownKeyError(f"{rule} {', '.join(names)}", wrong=name, known=names)
    return name


def all_fields() -> dict[str, FieldInfo]:
    """Return every key with its field: those of `Training`, then the options of all models."""
    fields = dict(Training.model_fields)
    for family, spec in registry().items():
        fields |= {f"{family}.{option}": info for option, info in spec.options.model_fields.items()}
    return fields


def check_model_name(model: str) -> None:
    """Raise InputError, with the nearest known name, if no model has this name."""
    model_spec(model)


def implied_model(key: str) -> str | None:
    """Return the model that the option of a model implies.

    None for fields of `Training`, and for options of a family with variants: the family alone names no model.
    """
    family, dot, _ = key.partition(".")
    return family if dot and registry()[family].variants is None else None
