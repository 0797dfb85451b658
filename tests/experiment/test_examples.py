"""The files of experiments/ are documented, and what their README shows is valid."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from conftest import markdown_rows
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.registry import pruners, samplers

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*.yaml"))
README = (ROOT / "experiments/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_the_head_of_a_file_has_its_command_and_where_its_numbers_come_from(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    head = "\n".join(line for line in lines[: lines.index(next(li for li in lines if li.startswith("question:")))])
    assert re.search(rf"^# Command: dvc repro report@{file.stem}\b", head, re.MULTILINE)
    assert "Result" in head or "result" in head
    if "the table in README.md" in head:
        table = (ROOT / "README.md").read_text(encoding="utf-8")
        assert re.search(rf"^\| `{file.stem}` \|", table, re.MULTILINE)
    else:
        assert re.search(r"^# Hardware: .*; \d{4}-\d\d-\d\d; .*minutes.*; n = \d", head, re.MULTILINE)


def test_the_example_of_the_readme_is_valid(tmp_path: Path) -> None:
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "question:" in block]
    assert blocks
    for block in blocks:
        (tmp_path / "mine.yaml").write_text(block)
        experiment = read_experiment(tmp_path / "mine.yaml")
        assert experiment.trials == 20
        assert len(experiment.space) == 10


def test_the_tables_of_the_readme_name_real_options() -> None:
    kinds: dict[str, type[BaseModel]] = {**samplers(), **pruners()}
    rows = {
        row[0]: set(re.findall(r"\w+", row[2].partition(":")[0])) for row in markdown_rows(README) if row[0] in kinds
    }
    assert len(rows) > 8
    for name, options in rows.items():
        assert options == kinds[name].model_fields.keys() - {"name"}


@pytest.mark.parametrize("name", ["README.md", "CLUSTER.md"])
def test_every_file_named_exists(name: str) -> None:
    text = (ROOT / "experiments" / name).read_text(encoding="utf-8")
    named = {ROOT / path for path in re.findall(r"`((?:pipeline|tests)/[\w./]*)`", text)}
    named |= {ROOT / "experiments" / path for path in re.findall(r"\]\(((?!http)[\w./]+)\)", text)}
    assert named
    assert not [path for path in named if not path.exists()]
