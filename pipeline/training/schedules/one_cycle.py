"""Learning-rate schedule: lr rises to its peak for a quarter of the steps, then falls to nearly zero.

Source: Smith and Topin 2017, arXiv:1708.07120.
"""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from pipeline.training.schedules import register


@register("one_cycle")
def make(optimizer: Optimizer, n_steps: int) -> OneCycleLR:
    peaks = [group["lr"] for group in optimizer.param_groups]
    n_steps += n_steps == 4  # torch divides by zero when the rise takes one step
    return OneCycleLR(optimizer, peaks, n_steps, pct_start=0.25, cycle_momentum=False)
