"""Exact convolutions of inputs that are smaller than the kernel reaches.

If every position of a kernel puts one of its taps into the padding, the gradient of that tap is 0. In bfloat16, oneDNN
on processors with AVX-512 returns uninitialised memory there for strided kernels: NaN, or values up to 1e36, which
clipping, Muon and weight decay spread. With AMX it does so in the output too, where that is a column of one pixel's
width. Versions, layers and a check of later versions: docs/onednn.md.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FORWARD = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
PARAMETERS: dict[Callable[..., Any], tuple[str, ...]] = {  # in the order of their positions
    torch.conv1d: _FORWARD,
    torch.conv2d: _FORWARD,
    torch.conv3d: _FORWARD,
    torch.conv_transpose1d: _TRANSPOSED,
    torch.conv_transpose2d: _TRANSPOSED,
    torch.conv_transpose3d: _TRANSPOSED,
}


class SmallInputGuard(TorchFunctionMode):
    """Set the gradients of taps that meet no pixel to 0, and compute strided columns in float32, in CPU autocast.

    All other values keep every bit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_needed = False  # some convolution has taps that meet no pixel, or is a strided column
        self.is_idle = False

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Guard one forward pass; all passes of one guard must run one model on images of one size."""
        if self.is_idle:  # guarding it would cost up to 9 % of a step of a small network
            yield
            return
        with self:
            yield
        self.is_idle = not self.is_needed

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func not in PARAMETERS or not torch.is_autocast_enabled("cpu"):
            return func(*args, **given)
        given |= zip(PARAMETERS[func], args, strict=False)
        weight = given["weight"]
        if weight.device.type != "cpu":
            return func(**given)
        learns = weight.requires_grad and torch.is_grad_enabled()
        if learns:
            given["weight"] = torch.ops.aten.alias(weight)  # a hook for each run: one layer may run on several sizes
        output = func(**given)
        transposed = "output_padding" in PARAMETERS[func]
        if is_strided_column(given, output, transposed=transposed):
            self.is_needed = True
            with torch.autocast("cpu", enabled=False):
                tensors = {key: value.float() for key, value in given.items() if isinstance(value, Tensor)}
                return func(**(given | tensors)).to(output.dtype)
        if learns and len(taps := seeing_taps(given, output, transposed=transposed)) < math.prod(weight.shape[2:]):
            self.is_needed = True
            given["weight"].register_hook(lambda gradient: _only(gradient, taps))
        return output


def is_strided_column(given: Mapping[str, Any], output: Tensor, *, transposed: bool) -> bool:
    """Return whether a 2-D kernel takes strides to the right over positions one above the other, but only one wide.

    Arguments as of `seeing_taps`.
    """
    height, width = (given["input"] if transposed else output).shape[-2:]
    return given["weight"].ndim == 4 and width == 1 < height and _per_axis(given.get("stride", 1), 2)[1] > 1


def seeing_taps(given: Mapping[str, Any], output: Tensor, *, transposed: bool) -> tuple[tuple[int, ...], ...]:
    """Return the taps of a convolution that meet a pixel at any position, such as (1, 1) for the centre of 3x3.

    given: its arguments by name. A transposed convolution is the gradient of one that maps its output to its input.
    """
    kernel = given["weight"].shape[2:]
    n_axes = len(kernel)
    image, positions = (output, given["input"]) if transposed else (given["input"], output)
    dilation = _per_axis(given.get("dilation", 1), n_axes)
    padding = given.get("padding", 0)
    if padding == "same":  # an odd pixel of padding is the last
        before = tuple(dilation[axis] * (kernel[axis] - 1) // 2 for axis in range(n_axes))
    else:
        before = _per_axis(0 if padding == "valid" else padding, n_axes)
    return _seeing_taps(
        tuple(kernel),
        tuple(image.shape[-n_axes:]),  # there may be no batch axis
        tuple(positions.shape[-n_axes:]),
        stride=_per_axis(given.get("stride", 1), n_axes),
        before=before,
        dilation=dilation,
    )


Sides = tuple[int, ...]


@lru_cache(maxsize=1024)  # every step asks for the same
def _seeing_taps(
    kernel: Sides, image: Sides, positions: Sides, *, stride: Sides, before: Sides, dilation: Sides
) -> tuple[tuple[int, ...], ...]:
    """Return `seeing_taps` of these sizes. before: pixels of padding at the start of each axis."""
    lines = []
    for axis, n_taps in enumerate(kernel):
        starts = [stride[axis] * position - before[axis] for position in range(positions[axis])]
        pixels = range(image[axis])
        lines.append([tap for tap in range(n_taps) if any(start + dilation[axis] * tap in pixels for start in starts)])
    return tuple(itertools.product(*lines))


def _only(gradient: Tensor, taps: Sequence[tuple[int, ...]]) -> Tensor:
    """Return the gradient of a kernel (out, in, ...) at `taps`, and 0 elsewhere."""
    kept = torch.zeros_like(gradient)
    for tap in taps:  # mostly few; masked_fill takes several times as long for 512 channels
        at: tuple[Any, ...] = (..., *tap)
        kept[at] = gradient[at]
    return kept


def _per_axis(value: int | Sequence[int], n_axes: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n_axes if len(values) == 1 else values
