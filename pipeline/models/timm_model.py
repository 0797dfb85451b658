"""Any architecture of timm, at any number of channels: `timm:<name>`."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from torch import nn

from pipeline.config import Number, Strict
from pipeline.errors import InputError
from pipeline.models import Shapes, register


class TimmOptions(Strict):
    dropout: Annotated[Number, Field(ge=0, lt=1, description="drop rate of the classifier")] = 0.0
    drop_path: Annotated[Number, Field(ge=0, lt=1, description="drop rate of whole residual branches")] = 0.0


def _names() -> Iterable[str]:
    import timm  # takes seconds, so only where it is used

    names: list[str] = timm.list_models()
    return names


@register("timm", TimmOptions, _names)
def build(options: TimmOptions, shapes: Shapes, variant: str) -> nn.Module:
    import timm

    extra: dict[str, Any] = (
        {"drop_path_rate": options.drop_path} if options.drop_path else {}
    )  # not every architecture takes it
    try:
        model: nn.Module = timm.create_model(
            variant,
            pretrained=False,
            num_classes=shapes.n_classes,
            in_chans=shapes.channels,
            drop_rate=options.dropout,
            **extra,
        )
    except TypeError as error:
        raise InputError(f"timm:{variant} does not take these options: {error}") from error
    return model
