"""Timing, and the rows of the benchmark's table."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Way = Callable[[], float]  # does what is compared, and returns the seconds that it took


def seconds_of(run: Callable[[], object]) -> float:
    """Call it and return the seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median_seconds(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Return the median of each way; rounds alternate between them, so that a busy machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    return {name: median(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class Row:
    """A measurement and its reference; their ratio should be at least or at most the target."""

    name: str
    ours: float
    reference: float
    unit: str
    aim: Literal["at least", "at most"]
    target: float
    is_valid: bool = True  # False: the target is missed, no matter the ratio

    @property
    def ratio(self) -> float:
        return self.ours / self.reference

    @property
    def met(self) -> bool:
        return self.is_valid and (self.ratio >= self.target if self.aim == "at least" else self.ratio <= self.target)

    def record(self) -> dict[str, Any]:
        """Return what the table and reports/benchmark.json show."""
        keys = ("name", "ours", "reference", "unit", "ratio", "aim", "target", "met")
        return {key: getattr(self, key) for key in keys}
