"""Muon for convolutions, at a constant norm of each kernel; SGD with Nesterov momentum for everything else.

Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, and its CIFAR-10 record.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.config import Training
from pipeline.training.optimizers import parameter_groups, register

NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # of X, X X^T X and (X X^T)^2 X
N_ITERATIONS = 3
KERNEL_DIMS = 4  # of a convolution: channels out, channels in per group, height, width
TINY = 1e-12  # smallest norm to divide by


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for kernels, momentum steps for all other tensors; weight decay is ignored.

    The step of a kernel, taken as one matrix of (channels out, rest), is made nearly orthogonal, so that every
    direction learns and not just the steepest; the kernels of a grouped convolution are taken as one matrix, too.
    Before each step, a kernel is rescaled to its first norm, since most of what follows a convolution normalises its
    outputs anyway; the norm of an all-zero kernel counts as √(channels out). The step itself has lr times that norm.
    torch.optim.Muon takes matrices only, and lets them grow.
    """

    def __init__(self, params: Iterable[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Move all parameters by their gradients. There is no closure to evaluate the loss again."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    norm = p.norm()
                    state["momentum"] = torch.zeros_like(p)
                    state["norm"] = norm if norm > 0 else norm + len(p) ** 0.5
                state["momentum"].mul_(group["momentum"]).add_(p.grad)
                step = p.grad.add(state["momentum"], alpha=group["momentum"])
                if p.ndim == KERNEL_DIMS:
                    step = orthogonal(step.flatten(1)).view_as(p)
                    step *= state["norm"] / step.norm().clamp(min=TINY)
                    p.mul_(state["norm"] / p.norm().clamp(min=TINY))
                p.sub_(step, alpha=group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Return approximately U V^T for matrix = U S V^T.

    Large singular values end near 1, small ones closer to 1 than before. matrix: (M, N). Returns the same shape.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / wide.norm().clamp(min=TINY)
    for _ in range(N_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrix else x.T


@register("muon")
def make(model: nn.Module, config: Training) -> Muon:
    return Muon(parameter_groups(model, config, min_dims=KERNEL_DIMS), config.lr, config.momentum)
