"""`pipeline schema` prints the schema; make writes it where experiment files expect it."""

import json
from pathlib import Path

import pytest

from pipeline.commands import schema
from pipeline.experiment.json_schema import experiment_schema

ROOT = Path(__file__).parents[2]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    schema.run()
    assert json.loads(capsys.readouterr().out) == experiment_schema()


def test_make_writes_the_schema_and_git_ignores_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "SCHEMA := experiments/schema.json" in makefile
    assert "python -m pipeline schema > $@" in makefile
    assert "/experiments/schema.json" in (ROOT / ".gitignore").read_text().splitlines()
