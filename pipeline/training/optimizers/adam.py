"""Adam: weight decay, if any, is part of the gradient. Source: Kingma and Ba 2014, arXiv:1412.6980."""

from torch import nn
from torch.optim import Adam

from pipeline.training.config import Training
from pipeline.training.optimizers import register
from pipeline.training.parameter_groups import parameter_groups


@register("adam")
def make(model: nn.Module, config: Training) -> Adam:
    return Adam(parameter_groups(model, config), config.lr, fused=True)
