"""Stochastic gradient descent with Nesterov momentum."""

from typing import Any

from torch.optim import SGD

from pipeline.training.config import Training
from pipeline.training.optimizers.registry import register


@register("sgd")
def make(groups: list[dict[str, Any]], config: Training) -> SGD:
    return SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0, fused=True)
