"""The optimizers of torch: sgd, adam, adamw."""

from torch import nn
from torch.optim import SGD, Adam, AdamW

from pipeline.training.config import Training
from pipeline.training.optimizers import parameter_groups, register


@register("sgd")
def sgd(model: nn.Module, config: Training) -> SGD:
    """Make stochastic gradient descent with Nesterov momentum."""
    return SGD(parameter_groups(model, config), config.lr, config.momentum, nesterov=config.momentum > 0, fused=True)


@register("adam")
def adam(model: nn.Module, config: Training) -> Adam:
    """Make Adam: weight decay, if any, is part of the gradient. Source: Kingma and Ba 2014, arXiv:1412.6980."""
    return Adam(parameter_groups(model, config), config.lr, fused=True)


@register("adamw")
def adamw(model: nn.Module, config: Training) -> AdamW:
    """Make Adam with weight decay apart from the gradient. Source: Loshchilov and Hutter 2017, arXiv:1711.05101."""
    return AdamW(parameter_groups(model, config), config.lr, fused=True)
