"""The number format of products while training and predicting; weights and optimizer stay in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

TOLERANCE = 0.05  # of the loss of the first steps, relative to that of float32
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Products inside in `precision`: float32, tf32 (CUDA; float32 with a mantissa of 10 bits), bfloat16 or float16."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        with torch.autocast(device.type, _TYPES.get(precision, torch.bfloat16), enabled=precision in _TYPES):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def candidates(device: torch.device) -> tuple[str, ...]:
    """What `auto` tries; float32 first, which the others must agree with."""
    return ("float32", "tf32", "bfloat16", "float16") if device.type == "cuda" else ("float32", "bfloat16")


def fastest(measured: dict[str, tuple[float, float]]) -> str:
    """The format of least seconds among those whose loss is within TOLERANCE of float32's.

    measured: seconds and loss of the same steps, by format.
    """
    exact = measured["float32"][1]
    near = {name: seconds for name, (seconds, loss) in measured.items() if abs(loss - exact) <= TOLERANCE * abs(exact)}
    return min(near, key=lambda name: near[name])
