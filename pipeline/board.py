"""The board of a running search: on a terminal it stays in place, elsewhere each finished trial is a line."""

import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text


@dataclass
class _Row:
    epoch: int
    n_epochs: int
    score: float | None


class Board:
    """What a search has done and does now. Scores are those of the objective on val."""

    def __init__(self, name: str, n_slots: int, n_done: int, console: Console | None = None) -> None:
        """n_done: slots that an earlier process has filled."""
        self.name, self.n_slots, self.n_done = name, n_slots, n_done
        self._console = console or Console(stderr=True)
        self._counts: Counter[str] = Counter()
        self._running: dict[int, _Row] = {}
        self._best: tuple[float, int] | None = None
        self._start = time.monotonic()
        self._live = Live(get_renderable=self._board, console=self._console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Board":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        self._console.print(self._line(), highlight=False, markup=False)

    def epoch(self, number: int, epoch: int, n_epochs: int, score: float | None) -> None:
        """A trial has come so far; epoch 0: it was started."""
        self._running[number] = _Row(epoch, n_epochs, score)

    def closed(self, number: int, state: str, score: float | None, reason: str = "") -> None:
        """state: complete, pruned, failed or interrupted."""
        row = self._running.pop(number)
        self._counts[state] += 1
        if state == "complete" and score is not None and (self._best is None or score > self._best[0]):
            self._best = score, number
        told = f", val {score:.4f}" if score is not None else ""
        why = f": {reason}" if reason else ""
        line = f"trial {number} {state} at epoch {row.epoch}/{row.n_epochs}{told}{why}"
        if not self._console.is_terminal or state == "failed":
            self._console.print(f"{line} | {self._line()}", highlight=False, markup=False, soft_wrap=True)

    def _line(self) -> str:
        best = f"best {self._best[0]:.4f} (trial {self._best[1]})" if self._best else "no score yet"
        counts = ", ".join(f"{n} {state}" for state, n in sorted(self._counts.items())) or "none finished"
        done = self.n_done + sum(n for state, n in self._counts.items() if state != "interrupted")
        return f"{self.name} {min(done, self.n_slots)}/{self.n_slots}: {best}; {counts}{self._left(done)}"

    def _left(self, done: int) -> str:
        n = done - self.n_done
        if not n or done >= self.n_slots:
            return ""
        seconds = (time.monotonic() - self._start) / n * (self.n_slots - done)
        return f"; about {seconds / 60:.0f} min left" if seconds > 90 else f"; about {seconds:.0f} s left"

    def _board(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for head in ("trial", "epoch", "val"):
            table.add_column(head, justify="right")
        for number, row in sorted(self._running.items()):
            score = "" if row.score is None else f"{row.score:.4f}"
            table.add_row(str(number), f"{row.epoch}/{row.n_epochs}", score)
        return Group(Text(self._line()), table)
