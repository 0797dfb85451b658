"""The optimizers by name: `Training.optimizer` is one of them."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from pipeline.core.registry import import_modules, registering

MakeOptimizer = Callable[[nn.Module, Any], Optimizer]  # model and Training -> optimizer of its parameter groups
_optimizers: dict[str, MakeOptimizer] = {}
register = registering("optimizer", _optimizers)


def registry() -> dict[str, MakeOptimizer]:
    """Return all optimizers by name, in alphabetical order."""
    import_modules("pipeline.training.optimizers")
    return dict(sorted(_optimizers.items()))
