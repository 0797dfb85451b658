"""The learning-rate schedules by name: `Training.schedule` is one of them.

A schedule starts from the lr of each parameter group, its peak, and is stepped after every training step.
"""

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pipeline.core.registry import import_modules, registering

MakeSchedule = Callable[[Optimizer, int], LRScheduler]  # optimizer and number of steps -> schedule
_schedules: dict[str, MakeSchedule] = {}
register = registering("schedule", _schedules)


def registry() -> dict[str, MakeSchedule]:
    """Return all learning-rate schedules by name, in alphabetical order."""
    import_modules("pipeline.training.schedules")
    return dict(sorted(_schedules.items()))
