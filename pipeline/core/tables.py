"""CSV files that a spreadsheet may open: text stays text."""

from pathlib import Path

import pandas as pd


def plain_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes without index. Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    table.map(_harmless).to_csv(path, index=False, lineterminator="\n")


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
