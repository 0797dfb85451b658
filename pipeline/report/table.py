"""Tables of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Cells = Sequence[Sequence[object]]
WIDE = 85  # letters: what a table as wide as one column of the page holds


class Link(NamedTuple):
    """A cell that leads somewhere."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table of a section without a template."""

    caption: str
    head: Sequence[str]
    rows: Cells
    labels: int = 1  # columns on the left that name the row
    note: str = ""  # a paragraph below
    run: bool = False  # cells differ with every run (run ids, seconds, hardware): not in the Markdown twin


def is_wide(head: Sequence[str], rows: Cells) -> bool:
    """Return whether a table needs the whole width of the page."""
    longest = [max(len(word) for word in name.split()) for name in head]
    for row in rows:
        longest = [max(n, len(str(cell))) for n, cell in zip(longest, row, strict=True)]
    return sum(longest) + 3 * len(longest) > WIDE
