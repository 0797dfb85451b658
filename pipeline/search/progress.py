"""The board of a running search: on a terminal it stays in place, elsewhere each finished trial is a line."""

import time
from collections import Counter
from collections.abc import Iterable
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


class SearchProgress:
    """What a search has done and does now. Scores are those of the objective on val."""

    def __init__(
        self, name: str, n_slots: int, n_done: int, earlier: Iterable[str] = (), console: Console | None = None
    ) -> None:
        """n_done: slots that an earlier process has filled; earlier: the states of its trials."""
        self.name, self.n_slots, self.n_done = name, n_slots, n_done
        self.best: tuple[float, int] | None = None  # score and trial
        self._console = console or Console(stderr=True)
        self._counts = Counter(earlier)
        self._n_closed = 0  # slots filled by this process
        self._running: dict[int, _Row] = {}
        self._start = time.monotonic()
        self._live = Live(get_renderable=self._board, console=self._console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "SearchProgress":
        if self._counts:
            rest = "; what was interrupted goes on from its last epoch, as a new trial"
            self._print(f"going on with {self._line()}{rest if self._counts['interrupted'] else ''}")
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        self._print(self._line())

    def epoch(self, number: int, epoch: int, n_epochs: int, score: float | None) -> None:
        """A trial has come so far; epoch 0: it was started."""
        self._running[number] = _Row(epoch, n_epochs, score)

    def closed(self, number: int, state: str, score: float | None, reason: str = "") -> None:
        """state: complete, pruned, failed or interrupted."""
        row = self._running.pop(number)
        self._counts[state] += 1
        self._n_closed += state != "interrupted"
        told = f", val {score:.4f}" if score is not None else ""
        why = f": {reason}" if reason else ""
        line = f"trial {number} {state} at epoch {row.epoch}/{row.n_epochs}{told}{why}"
        if not self._console.is_terminal or state == "failed":
            self._print(f"{line} | {self._line()}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self) -> str:
        best = f"best {self.best[0]:.4f} (trial {self.best[1]})" if self.best else "no score yet"
        counts = ", ".join(f"{n} {state}" for state, n in sorted(self._counts.items())) or "none finished"
        done = self.n_done + self._n_closed
        return f"{self.name} {min(done, self.n_slots)}/{self.n_slots}: {best}; {counts}{self._left(done)}"

    def _left(self, done: int) -> str:
        if not self._n_closed or done >= self.n_slots:
            return ""
        seconds = (time.monotonic() - self._start) / self._n_closed * (self.n_slots - done)
        return f"; about {seconds / 60:.0f} min left" if seconds > 90 else f"; about {seconds:.0f} s left"

    def _board(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for head in ("trial", "epoch", "val"):
            table.add_column(head, justify="right")
        for number, row in sorted(self._running.items()):
            score = "" if row.score is None else f"{row.score:.4f}"
            table.add_row(str(number), f"{row.epoch}/{row.n_epochs}", score)
        return Group(Text(self._line()), table)
