"""Retry after a worker's death: how often a training is started again once its process or node was lost.

A training that reports a failure itself is never retried: the same seed would fail again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """The number of worker deaths after which a training is given up."""

    max_deaths: int
    same_epoch: bool = False  # count only deaths in one epoch: a training that gets further starts from zero

    def retries(self, deaths: Sequence[int]) -> bool:
        """Return whether to train again; `deaths`: epochs that were finished at each death so far."""
        counted = max(Counter(deaths).values(), default=0) if self.same_epoch else len(deaths)
        return counted < self.max_deaths


BEFORE_TRAINING = RetryPolicy(max_deaths=3)  # a worker that dies before it trains: the machine is at fault
SEARCH = RetryPolicy(max_deaths=2, same_epoch=True)  # a second death in one epoch points to the trial itself
EVALUATION = RetryPolicy(max_deaths=2)
