"""`pipeline space` prints the check of a space."""

from pathlib import Path

import pytest

from pipeline.commands import check_space


def test_the_check_is_printed(experiment_file: Path, digits_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_space.run(experiment_file, digits_folder / "development", threads=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("quick: ")
    assert lines[2].split()[0] == "baseline"
