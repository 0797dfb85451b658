"""Adam: weight decay, if any, is part of the gradient. Source: Kingma and Ba 2014, arXiv:1412.6980."""

from typing import Any

from torch.optim import Adam

from pipeline.training.config import Training
from pipeline.training.optimizers.registry import register


@register("adam")
def make(groups: list[dict[str, Any]], config: Training) -> Adam:
    return Adam(groups, config.lr, fused=True)
