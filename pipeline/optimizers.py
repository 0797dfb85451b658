"""What moves the weights: optimizer with its groups of parameters, and the learning rate over the steps."""

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from pipeline.config import Training
from pipeline.models import lr_factors


def make_optimizer(model: nn.Module, config: Training) -> torch.optim.Optimizer:
    """Every part of the model at its own rate; biases and norms apart, at `bias_lr` and without decay."""
    factors = lr_factors(model)
    groups = []
    for factor in sorted(set(factors.values()), key=lambda factor: (factor != 1, factor)):  # its own rate stands first
        part, lr = [p for p, of_part in factors.items() if of_part == factor], config.lr * factor
        decayed = [p for p in part if p.ndim > 1]
        other = [p for p in part if p.ndim <= 1]  # biases and norms: decay would only shift them
        groups += [{"params": decayed, "lr": lr, "weight_decay": config.weight_decay}]
        groups += [{"params": other, "lr": lr * config.bias_lr, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, config.lr)
    return torch.optim.AdamW(groups, config.lr)


def make_schedule(optimizer: torch.optim.Optimizer, config: Training, n_steps: int) -> LRScheduler:
    """Learning rate per step; all groups follow one curve, each at its own height."""
    if config.schedule == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, n_steps, pct_start=0.25, cycle_momentum=False)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, n_steps)
    return LambdaLR(optimizer, lambda step: 1.0)
