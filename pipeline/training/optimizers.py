"""What moves the weights: optimizer with its groups of parameters, and the learning rate over the steps."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from pipeline.models.layers import lr_factors
from pipeline.training.config import Training

NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # of X, X X^T X and (X X^T)^2 X
N_ITERATIONS = 3
KERNEL_DIMS = 4  # of a convolution: channels out, channels in, height, width
TINY = 1e-12  # least norm that is divided by


class Muon(torch.optim.Optimizer):
    """Moves convolutions by orthogonal steps at a constant norm, all else as SGD does; Nesterov momentum for both.

    A step of a kernel, as one matrix of (channels out, rest), is made nearly orthogonal: every direction learns, not
    the steepest alone. Before each step the kernel is set back to the norm it started with, since what follows a
    convolution mostly rescales it; one of zeros takes the root of its channels out. The step is lr times that norm
    long. torch.optim.Muon takes matrices only, and lets them grow.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, and its CIFAR-10 record.
    """

    def __init__(self, params: Iterable[dict[str, Any]], lr: float, momentum: float) -> None:
        """params: groups."""
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    norm = p.norm()
                    state["momentum"], state["norm"] = torch.zeros_like(p), norm if norm > 0 else norm + len(p) ** 0.5
                state["momentum"].mul_(group["momentum"]).add_(p.grad)
                step = p.grad.add(state["momentum"], alpha=group["momentum"])
                if p.ndim == KERNEL_DIMS:
                    step = orthogonal(step.flatten(1)).view_as(p)
                    step *= state["norm"] / step.norm().clamp(min=TINY)
                    p.mul_(state["norm"] / p.norm().clamp(min=TINY))
                p.sub_(step, alpha=group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T, where matrix = U S V^T: large singular values come near 1, small ones nearer than they were.

    matrix: (M, N). Returns the same shape.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / wide.norm().clamp(min=TINY)
    for _ in range(N_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrix else x.T


def make_optimizer(model: nn.Module, config: Training) -> torch.optim.Optimizer:
    """Every part of the model at its own rate; biases and norms apart, at `bias_lr_scale` and without decay.

    With muon all but the convolutions stands with the biases.
    """
    factors, n_dims = lr_factors(model), KERNEL_DIMS if config.optimizer == "muon" else 2
    groups = []
    for factor in sorted(set(factors.values()), key=lambda factor: (factor != 1, factor)):  # its own rate stands first
        part, lr = [p for p, of_part in factors.items() if of_part == factor], config.lr * factor
        first, other = [p for p in part if p.ndim >= n_dims], [p for p in part if p.ndim < n_dims]
        groups += [{"params": first, "lr": lr, "weight_decay": config.weight_decay}]
        groups += [
            {"params": other, "lr": lr * config.bias_lr_scale, "weight_decay": 0.0}
        ]  # decay would only shift them
    if config.optimizer == "muon":
        return Muon(groups, config.lr, config.momentum)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, config.lr, fused=True)
    return torch.optim.AdamW(groups, config.lr, fused=True)


def make_schedule(optimizer: torch.optim.Optimizer, config: Training, n_steps: int) -> LRScheduler:
    """Learning rate per step; all groups follow one curve, each at its own height."""
    if config.schedule == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        n_steps += n_steps == 4  # whose rise of one step torch divides by zero
        return OneCycleLR(optimizer, peaks, n_steps, pct_start=0.25, cycle_momentum=False)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, n_steps)
    if config.schedule == "linear":
        return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / n_steps))
    return LambdaLR(optimizer, lambda step: 1.0)
