"""The optimizers by name, one of which is `Training.optimizer`, and the groups of parameters that they are given."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from pipeline.core.registry import import_modules, registering
from pipeline.models.layers import lr_scales

MakeOptimizer = Callable[[nn.Module, Any], Optimizer]  # model and Training -> optimizer of its parameter groups
_optimizers: dict[str, MakeOptimizer] = {}
register = registering("optimizer", _optimizers)


def registry() -> dict[str, MakeOptimizer]:
    """Return all optimizers by name, in alphabetical order."""
    import_modules("pipeline.training.optimizers")
    return dict(sorted(_optimizers.items()))


def parameter_groups(model: nn.Module, config: Any, min_dims: int = 2) -> list[dict[str, Any]]:
    """Return two groups for every learning-rate scale of the model, first those of scale 1. config: a `Training`.

    Parameters of fewer than `min_dims` dimensions form the second group: they learn at `bias_lr_scale`, and do not
    decay, since decay would only shift them.
    """
    scales = lr_scales(model)
    groups = []
    for scale in sorted(set(scales.values()), key=lambda scale: (scale != 1, scale)):
        lr = config.lr * scale
        part = [p for p, of_parameter in scales.items() if of_parameter == scale]
        decaying, other = [p for p in part if p.ndim >= min_dims], [p for p in part if p.ndim < min_dims]
        groups.append({"params": decaying, "lr": lr, "weight_decay": config.weight_decay})
        groups.append({"params": other, "lr": lr * config.bias_lr_scale, "weight_decay": 0.0})
    return groups
