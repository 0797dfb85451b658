"""Learning-rate schedule: lr falls to zero along half a cosine.

Source: Loshchilov and Hutter 2016, arXiv:1608.03983.
"""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from pipeline.training.schedules import register


@register("cosine")
def make(optimizer: Optimizer, n_steps: int) -> CosineAnnealingLR:
    return CosineAnnealingLR(optimizer, n_steps)
