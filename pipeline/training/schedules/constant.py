"""Learning-rate schedule: the same lr at every step."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.training.schedules import register


@register("constant")
def make(optimizer: Optimizer, n_steps: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 1.0)
