"""Which weights learn at which rate: the groups of parameters that an optimizer is given."""

from typing import Any

from torch import nn

from pipeline.models.layers import lr_scales
from pipeline.training.config import Training


def parameter_groups(model: nn.Module, config: Training, min_dims: int = 2) -> list[dict[str, Any]]:
    """Return two groups for every learning-rate scale of the model, first those of scale 1.

    Parameters of fewer than `min_dims` dimensions form the second group: they learn at `bias_lr_scale`, and do not
    decay, since decay would only shift them.
    """
    scales = lr_scales(model)
    groups: list[dict[str, Any]] = []
    for scale in sorted(set(scales.values()), key=lambda scale: (scale != 1, scale)):
        lr = config.lr * scale
        part = [p for p, of_parameter in scales.items() if of_parameter == scale]
        decaying = [p for p in part if p.ndim >= min_dims]
        other = [p for p in part if p.ndim < min_dims]
        groups.append({"params": decaying, "lr": lr, "weight_decay": config.weight_decay})
        groups.append({"params": other, "lr": lr * config.bias_lr_scale, "weight_decay": 0.0})
    return groups
