"""Tables of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDE = 85  # letters: what a table as wide as one column holds


class Link(NamedTuple):
    """A cell that leads somewhere."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table with its caption. Every table of a page gets into its Markdown twin, but for those of a run."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    labels: int = 1  # columns on the left that name the row
    note: str = ""  # a paragraph below
    prose: bool = False  # cells hold text that wraps, not numbers
    chosen: int | None = None  # row to highlight
    run: bool = False  # cells differ with every run: run ids, seconds, dates, hardware

    @property
    def wide(self) -> bool:
        """Return whether the table needs the whole width of the page."""
        columns = zip(self.head, *self.rows, strict=True) if self.rows else []
        lengths = [[len(part) for cell in cells[1:] for part in str(cell).split("\n")] for cells in columns]
        return not self.prose and sum(3 + max(column) for column in lengths) > WIDE
