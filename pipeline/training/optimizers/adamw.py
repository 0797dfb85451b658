"""Adam with weight decay apart from the gradient. Source: Loshchilov and Hutter 2017, arXiv:1711.05101."""

from typing import Any

from torch.optim import AdamW

from pipeline.training.config import Training
from pipeline.training.optimizers.registry import register


@register("adamw")
def make(groups: list[dict[str, Any]], config: Training) -> AdamW:
    return AdamW(groups, config.lr, fused=True)
