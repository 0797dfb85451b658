"""Progress of several trainings on stderr: a table on a terminal; elsewhere a line per result and every half minute."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.core import progress
from pipeline.core.progress import time_left

Key = int | str  # number or name of a training


@dataclass
class _Row:
    epoch: int
    n_epochs: int
    score: float | None = None


@dataclass
class Tally:
    """What is done and what remains. n_closed and states count earlier processes too, epochs only this one."""

    n_trainings: int
    n_closed: int = 0  # not to be repeated
    states: Counter[str] = field(default_factory=Counter)
    epochs_planned: int | None = None  # by all trainings of this process; None: estimated from those seen so far
    n_started: int = 0
    epochs_started: int = 0  # planned by the trainings that are running, trained by those that have ended
    epochs_closed: int = 0  # trained by those that have ended
    start_s: float = field(default_factory=lambda: time.monotonic())

    def started(self, row: _Row) -> None:
        """Count a training that has just started."""
        self.n_started += 1
        self.epochs_started += row.n_epochs

    def closed(self, row: _Row, state: str) -> None:
        """Count a training that has ended; what it was stopped before is no longer planned."""
        self.states[state] += 1
        self.n_closed += state != "interrupted"
        self.epochs_closed += row.epoch
        self.epochs_started -= row.n_epochs - row.epoch
        if self.epochs_planned is not None:
            self.epochs_planned -= row.n_epochs - row.epoch

    def epochs(self, running: Collection[_Row]) -> tuple[int, int]:
        """Return how many epochs are done, and how many there will be."""
        done = self.epochs_closed + sum(row.epoch for row in running)
        if self.epochs_planned is not None:
            return done, self.epochs_planned
        n_open = max(0, self.n_trainings - self.n_closed - len(running))
        return done, self.epochs_started + round(n_open * self.epochs_started / max(1, self.n_started))


class TrainingProgress:
    """The trainings of a stage: how many have ended and how, the best, those that are running, and the time left."""

    def __init__(self, name: str, tally: Tally, *, noun: str = "trial", console: Console | None = None) -> None:
        self.name, self.noun = name, noun
        self.best: tuple[float, Key] | None = None  # score on val and training
        self._tally = tally
        self._running: dict[Key, _Row] = {}
        self._console = console or Console(stderr=True)
        self._live = Live(get_renderable=self._board, console=self._console, refresh_per_second=2, transient=True)
        self._line_s = time.monotonic()  # when the last line was printed

    def __enter__(self) -> Self:
        states = self._tally.states
        if states:
            rest = f"; interrupted {self.noun}s resume from their last epoch, as new ones"
            self._print(f"resuming {self._summary()}{rest if states['interrupted'] else ''}")
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
        self._print(self._summary())

    def epoch(self, key: Key, epoch: int, n_epochs: int, score: float | None = None) -> None:
        """Show that a training has finished an epoch with this score on val; epoch 0: that it was started."""
        row = _Row(epoch, n_epochs, score)
        if key not in self._running:
            self._tally.started(row)
        self._running[key] = row
        if not self._console.is_terminal and time.monotonic() - self._line_s >= progress.LINE_EVERY_S:
            done, planned = self._tally.epochs(self._running.values())
            self._print(f"{done}/{planned} epochs | {self._summary()}")

    def closed(self, key: Key, state: str, score: float | None, reason: str = "") -> None:
        """Show that a training has ended as complete, pruned, failed or interrupted."""
        row = self._running.pop(key)
        self._tally.closed(row, state)
        value = "" if score is None else f", val {score:.4f}"
        why = f": {reason}" if reason else ""
        if not self._console.is_terminal or state == "failed":
            line = f"{self.noun} {key} {state} at epoch {row.epoch}/{row.n_epochs}{value}{why}"
            self._print(f"{line} | {self._summary()}")

    def _print(self, line: str) -> None:
        self._line_s = time.monotonic()
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _summary(self) -> str:
        tally = self._tally
        counts = ", ".join(f"{n} {state}" for state, n in sorted(tally.states.items())) or "none finished"
        best = f"best {self.best[0]:.4f} ({self.noun} {self.best[1]}); " if self.best else ""
        done, planned = tally.epochs(self._running.values())
        rest = time_left(time.monotonic() - tally.start_s, done, planned - done)
        return f"{self.name} {min(tally.n_closed, tally.n_trainings)}/{tally.n_trainings}: {best}{counts}{rest}"

    def _board(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for head in (self.noun, "epoch", "val"):
            table.add_column(head, justify="right")
        for key, row in self._running.items():
            score = "" if row.score is None else f"{row.score:.4f}"
            table.add_row(str(key), f"{row.epoch}/{row.n_epochs}", score)
        return Group(Text(self._summary()), table)
