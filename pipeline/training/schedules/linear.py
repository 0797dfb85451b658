"""Learning-rate schedule: lr falls to zero in a straight line."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.training.schedules import register


@register("linear")
def make(optimizer: Optimizer, n_steps: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / n_steps))
