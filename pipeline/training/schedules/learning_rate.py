"""The learning-rate schedules: constant, linear, cosine, one_cycle."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR

from pipeline.training.schedules import register


@register("constant")
def constant(optimizer: Optimizer, n_steps: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 1.0)


@register("linear")
def linear(optimizer: Optimizer, n_steps: int) -> LambdaLR:
    """Let lr fall to zero in a straight line."""
    return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / n_steps))


@register("cosine")
def cosine(optimizer: Optimizer, n_steps: int) -> CosineAnnealingLR:
    """Let lr fall to zero along half a cosine. Source: Loshchilov and Hutter 2016, arXiv:1608.03983."""
    return CosineAnnealingLR(optimizer, n_steps)


@register("one_cycle")
def one_cycle(optimizer: Optimizer, n_steps: int) -> OneCycleLR:
    """Let lr rise to its peak for a quarter of the steps, then fall to nearly zero.

    Source: Smith and Topin 2017, arXiv:1708.07120.
    """
    peaks = [group["lr"] for group in optimizer.param_groups]
    n_steps += n_steps == 4  # torch divides by zero when the rise takes one step
    return OneCycleLR(optimizer, peaks, n_steps, pct_start=0.25, cycle_momentum=False)
