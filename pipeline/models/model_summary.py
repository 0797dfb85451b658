"""A network layer by layer: output shapes, checked against the closed formula, and numbers of parameters.

The shapes come from a forward pass of one blank image. Those of convolutions and poolings must agree with the formula
of `conv_output_px`, except for layers with padding rules of their own, such as some of timm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.core.errors import PipelineError
from pipeline.models.layers import conv_output_px, count_parameters
from pipeline.models.registry import Shapes

SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Layer:
    """One layer of a network, as it ran."""

    name: str
    kind: str
    output: tuple[int, ...]  # without the batch; () unless it is a tensor
    n_parameters: int  # of the layer itself, counted the first time it runs
    side_px: tuple[int, int] | None = None  # height and width by the formula, where it applies


def summarise(model: nn.Module, shapes: Shapes) -> Iterator[Layer]:
    """Yield the layers in the order in which they run: those without parts, and others with parameters of their own.

    Raises PipelineError if an output differs from the formula, or if a layer with parameters does not run.
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
            sides = f"{tuple(inputs[0].shape[-2:])} px to {shape[-2:]}, but the formula gives {side}"
            raise PipelineError(f"layer {names[module]} maps {sides}; correct conv_output_px or the layer")
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
    if unused := [name for name, p in model.named_parameters() if p not in counted]:
        raise PipelineError(f"the forward pass does not use {', '.join(unused)}; these layers cannot be listed")
    yield from rows


def _formula_px(layer: Any, input_px: tuple[int, int]) -> tuple[int, int] | None:
    """Return height and width after a convolution or pooling; None if its padding is a word, or if it rounds up."""
    if isinstance(layer.padding, str) or getattr(layer, "ceil_mode", False):
        return None

    names = ("kernel_size", "dilation", "padding", "stride")
    kernel, dilation, padding, stride = (np.broadcast_to(getattr(layer, name, 1), 2).tolist() for name in names)
    reach = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    height, width = (conv_output_px(input_px[axis], reach[axis], padding[axis], stride[axis]) for axis in (0, 1))
    return height, width


def summary_lines(rows: list[Layer], model: nn.Module) -> list[str]:
    """Return the layers as a table in plain text, with the total number of parameters in the last line."""
    cells = [
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
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    lines = ["  ".join(f"{cell:<{n}}" for cell, n in zip(line, widths, strict=True)) for line in (heading, *cells)]
    total = sum(row.n_parameters for row in rows)
    trained = count_parameters(model)
    return [*lines, f"{total:,} parameters" + (f", {trained:,} of them trained" if trained != total else "")]
