"""CSV files, written whole or not at all."""

from pathlib import Path

import pandas as pd

from pipeline.core.files import writing


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table without its index."""
    with writing(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def write_spreadsheet_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table with an apostrophe before each text that a spreadsheet would run as a formula."""
    write_csv(path, table.map(_harmless))


def _harmless(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value
