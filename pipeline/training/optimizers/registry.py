"""The optimizers by name: `Training.optimizer` is one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer

from pipeline.core.registry import import_modules

MakeOptimizer = Callable[..., Optimizer]  # (groups of parameters, each with its lr and weight_decay; Training)


@dataclass(frozen=True)
class OptimizerSpec:
    """make: returns the optimizer. min_dims: dimensions from which on a tensor learns at lr and decays.

    Tensors of fewer dimensions, biases and norms in general, learn at lr * bias_lr_scale and never decay.
    """

    make: MakeOptimizer
    min_dims: int


_specs: dict[str, OptimizerSpec] = {}


def register(name: str, min_dims: int = 2) -> Callable[[MakeOptimizer], MakeOptimizer]:
    """Register `make(groups, config)` as an optimizer. Raises ValueError if the name is taken."""

    def add(make: MakeOptimizer) -> MakeOptimizer:
        if name in _specs:
            raise ValueError(f"optimizer {name!r} is registered twice")
        _specs[name] = OptimizerSpec(make, min_dims)
        return make

    return add


def registry() -> dict[str, OptimizerSpec]:
    """Return all optimizers by name, in alphabetical order."""
    import_modules("pipeline.training.optimizers")
    return dict(sorted(_specs.items()))
