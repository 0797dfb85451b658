"""Adam with weight decay apart from the gradient. Source: Loshchilov and Hutter 2017, arXiv:1711.05101."""

from torch import nn
from torch.optim import AdamW

from pipeline.training.config import Training
from pipeline.training.optimizers import register
from pipeline.training.parameter_groups import parameter_groups


@register("adamw")
def make(model: nn.Module, config: Training) -> AdamW:
    return AdamW(parameter_groups(model, config), config.lr, fused=True)
