"""The learning-rate schedules by name: `Training.schedule` is one of them."""

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pipeline.core.registry import import_modules

MakeSchedule = Callable[[Optimizer, int], LRScheduler]  # the optimizer, steps of the whole training

_schedules: dict[str, MakeSchedule] = {}


def register(name: str) -> Callable[[MakeSchedule], MakeSchedule]:
    """Register `make(optimizer, n_steps)` as a learning-rate schedule. Raises ValueError if the name is taken.

    The schedule starts from the lr of each parameter group, its peak, and is stepped after every training step.
    """

    def add(make: MakeSchedule) -> MakeSchedule:
        if name in _schedules:
            raise ValueError(f"schedule {name!r} is registered twice")
        _schedules[name] = make
        return make

    return add


def registry() -> dict[str, MakeSchedule]:
    """Return all learning-rate schedules by name, in alphabetical order."""
    import_modules("pipeline.training.schedules")
    return dict(sorted(_schedules.items()))
