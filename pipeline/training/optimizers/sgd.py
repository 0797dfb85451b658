"""Stochastic gradient descent with Nesterov momentum."""

from torch import nn
from torch.optim import SGD

from pipeline.training.config import Training
from pipeline.training.optimizers import register
from pipeline.training.parameter_groups import parameter_groups


@register("sgd")
def make(model: nn.Module, config: Training) -> SGD:
    return SGD(parameter_groups(model, config), config.lr, config.momentum, nesterov=config.momentum > 0, fused=True)
