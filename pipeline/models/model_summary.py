"""A network layer by layer: what each layer puts out, checked against the closed formula, and its parameters.

Shapes are those of a forward pass of one blank image. Convolutions and poolings that follow the formula of
`conv_output_px` must agree with it; those with padding rules of their own (timm has some) stand without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.errors import PipelineError
from pipeline.models.layers import conv_output_px, count_parameters
from pipeline.models.registry import Shapes

SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Layer:
    name: str
    kind: str
    output: tuple[int, ...]  # without the batch; () for what is no tensor
    n_parameters: int  # its own, counted where the layer stands first
    side_px: tuple[int, int] | None = None  # height and width by the formula, where it applies


def layers(model: nn.Module, shapes: Shapes) -> Iterator[Layer]:
    """The layers without parts of their own, and all others that own parameters, in the order they are run.

    Raises PipelineError if an output is not what the formula says, or if a layer with parameters is not run.
    """
    names = {module: name for name, module in model.named_modules()}
    rows: list[Layer] = []
    counted: set[nn.Parameter] = set()

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        new = set(module.parameters(recurse=False)) - counted
        counted.update(new)
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        side = _formula_px(module, inputs[0].shape[-2:]) if type(module) in SLIDING else None
        if side and side != shape[-2:]:
            told = f"{shape[-2:]} px of {tuple(inputs[0].shape[-2:])}, the formula {side}"
            raise PipelineError(f"{names[module]} puts out {told}; correct conv_output_px or the layer")
        rows.append(Layer(names[module], type(module).__name__, shape, sum(p.numel() for p in new), side))

    shown = [m for m in names if not any(m.children()) or any(True for _ in m.parameters(recurse=False))]
    hooks = [module.register_forward_hook(note) for module in shown]
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, shapes.channels, shapes.height, shapes.width))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    if left := [name for name, p in model.named_parameters() if p not in counted]:
        raise PipelineError(f"the forward pass does not run the layers of {', '.join(left)}; they cannot be listed")
    yield from rows


def _formula_px(layer: Any, input_px: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width behind a convolution or pooling; None where its padding is a word or it rounds up."""
    if isinstance(layer.padding, str) or getattr(layer, "ceil_mode", False):
        return None
    kernel, padding, stride, dilation = (
        _pair(getattr(layer, name, 1)) for name in ("kernel_size", "padding", "stride", "dilation")
    )
    height, width = (
        conv_output_px(input_px[i], dilation[i] * (kernel[i] - 1) + 1, padding[i], stride[i]) for i in (0, 1)
    )
    return height, width


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def table(rows: list[Layer], model: nn.Module) -> list[str]:
    """Lines of text, the sum of parameters last."""
    told = [
        (
            row.name or "-",
            row.kind,
            " x ".join(map(str, row.output)) or "-",
            " x ".join(map(str, row.side_px)) if row.side_px else "",
            f"{row.n_parameters:>12,}",
        )
        for row in rows
    ]
    heading = ("name", "kind", "output", "formula px", f"{'parameters':>12}")
    widths = [max(map(len, column)) for column in zip(heading, *told, strict=True)]
    lines = ["  ".join(f"{cell:<{n}}" for cell, n in zip(line, widths, strict=True)) for line in (heading, *told)]
    total, trained = sum(row.n_parameters for row in rows), count_parameters(model)
    return [*lines, f"{total:,} parameters" + (f", {trained:,} of them trained" if trained != total else "")]
