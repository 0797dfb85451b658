"""What reporting guidelines ask of a study of diagnostic accuracy: where it is on the page, or why it is missing.

Numbers: STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527), which STARD-AI (Sounderajah et al., Nat Med 2025) extends, and
TRIPOD+AI (Collins et al., BMJ 2024;385:e078378). CLAIM 2024 (Tejani et al., Radiol Artif Intell 2024) by topic.
"""

import csv
from pathlib import Path
from typing import NamedTuple

ITEMS = Path(__file__).with_name("checklist.csv")


class Item(NamedTuple):
    """One item of the guidelines."""

    asked: str
    source: str
    anchor: str  # of the section; empty: missing
    note: str


def items(*, screening: bool) -> list[Item]:
    """Return all items. screening: the page has that section."""
    with ITEMS.open(encoding="utf-8", newline="") as file:
        every = [Item(**row) for row in csv.DictReader(file)]
    none = "the data set names no positive class"
    return [item if item.anchor != "screening" or screening else item._replace(anchor="", note=none) for item in every]
