"""The number format of products while training and predicting; weights and optimizer stay in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.training.small_inputs import SmallInputGuard

# by device, what `auto` measures; float32 first: the others must agree with it
CANDIDATES = {"cuda": ("float32", "tf32", "bfloat16", "float16"), "cpu": ("float32", "bfloat16")}
TOLERANCE = 0.05  # of the loss of the first steps, relative to that of float32
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TrainingPrecision:
    """The number format of a training's products, and what keeps its gradients right.

    name: float32, tf32 (CUDA; float32 with a mantissa of 10 bits), bfloat16 or float16.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self.device = device
        # small gradients vanish in float16 unless scaled; a larger first scale would skip steps until it has shrunk
        self.scaler = torch.amp.GradScaler(device.type, init_scale=1024, enabled=name == "float16")
        self.guard = SmallInputGuard()

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Compute one forward pass in this format."""
        with arithmetic(self.device, self.name), self.guard.forward_pass():
            yield


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Compute products in this format."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        with torch.autocast(device.type, _TYPES.get(precision, torch.bfloat16), enabled=precision in _TYPES):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def fastest(measured: dict[str, tuple[float, float]]) -> str:
    """Return the fastest of the formats whose loss is within TOLERANCE of float32's.

    measured: format -> seconds and loss of the same steps.
    """
    exact = measured["float32"][1]
    near = {name: seconds for name, (seconds, loss) in measured.items() if abs(loss - exact) <= TOLERANCE * abs(exact)}
    return min(near, key=lambda name: near[name])
