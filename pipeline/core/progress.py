"""Progress on stderr: a bar on a terminal, a line every half minute elsewhere, so that logs stay short."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich import progress
from rich.console import Console
from rich.filesize import decimal

LINE_EVERY_S = 30.0
BYTES = "bytes"

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, *, total: int | None = None, unit: str) -> Iterator[Item]:
    """Yield the items and show how many are done."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(description, total, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def progress_bar(
    description: str, total: int | None, *, unit: str, n_done: int = 0, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a task until the block ends; yield the function that adds to what is done.

    total: None if unknown; unit: plural, BYTES for a download; n_done: finished before, not counted as speed.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:
        yield _lines(description, total, unit, n_done, console)
        return
    columns = [progress.TextColumn("{task.description}", markup=False), progress.BarColumn()]
    if unit == BYTES:
        columns += [progress.DownloadColumn(), progress.TransferSpeedColumn()]
    else:
        columns += [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
    columns += [progress.TimeRemainingColumn(elapsed_when_finished=True)]
    with progress.Progress(*columns, console=console) as bars:
        task = bars.add_task(description, total=total, completed=n_done)
        yield lambda n: bars.advance(task, n)


def _lines(description: str, total: int | None, unit: str, n_done: int, console: Console) -> Callable[[int], None]:
    """Return the function that adds to what is done and prints a line when the last one is old."""
    n_before, start = n_done, time.monotonic()
    last_line = start

    def advance(n: int) -> None:
        nonlocal n_done, last_line
        n_done += n
        now = time.monotonic()
        if now - last_line >= LINE_EVERY_S:
            last_line = now
            left = time_left(now - start, n_done - n_before, total - n_done) if total else ""
            console.print(f"{description}: {_amount(n_done, total, unit)}{left}", markup=False, highlight=False)

    return advance


def _amount(n_done: int, total: int | None, unit: str) -> str:
    if unit == BYTES:
        return f"{decimal(n_done)} of {decimal(total)}" if total else decimal(n_done)
    return f"{n_done}/{total} {unit}" if total else f"{n_done} {unit}"


def size_text(n_bytes: int) -> str:
    """Return a number of bytes with its unit, such as 1.2 GB."""
    return decimal(n_bytes)


def time_left(seconds: float, n_done: int, n_left: int) -> str:
    """Return "; about 3 min left" if `n_left` take as long each as the `n_done` of the last `seconds`, or ""."""
    if not n_done or n_left <= 0:
        return ""
    estimate = seconds / n_done * n_left
    return f"; about {estimate / 60:.0f} min left" if estimate > 90 else f"; about {estimate:.0f} s left"
