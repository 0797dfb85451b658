"""CSV files."""

from pathlib import Path

import pandas as pd

from pipeline.core.tables import write_csv, write_spreadsheet_csv

TABLE = pd.DataFrame({"a": ["=1+1", "@x", "fine"], "b": [-1.5, 2.0, 3.0]})


def test_tables_keep_their_text(tmp_path: Path) -> None:
    write_csv(tmp_path / "new" / "t.csv", TABLE)
    assert (tmp_path / "new" / "t.csv").read_bytes() == b"a,b\n=1+1,-1.5\n@x,2.0\nfine,3.0\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.csv"]


def test_formulas_stay_text_in_a_spreadsheet(tmp_path: Path) -> None:
    write_spreadsheet_csv(tmp_path / "t.csv", TABLE)
    assert (tmp_path / "t.csv").read_text() == "a,b\n'=1+1,-1.5\n'@x,2.0\nfine,3.0\n"
