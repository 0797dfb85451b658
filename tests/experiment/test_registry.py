"""Samplers and pruners are found by their files, and the example of CONTRIBUTING is one of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.experiment.registry import Pruner, Sampler, pruners, samplers

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("folder", "kinds"), [("samplers", samplers()), ("pruners", pruners())])
def test_each_file_defines_what_it_is_named_after(folder: str, kinds: dict[str, type[Sampler | Pruner]]) -> None:
    files = {path.stem for path in (ROOT / "pipeline/experiment" / folder).glob("*.py")} - {"__init__"}
    assert len(files) > 4
    assert kinds.keys() == files
    assert all(kind.__module__.endswith(f"{folder}.{name}") for name, kind in kinds.items())
    assert all(kind().name == name for name, kind in kinds.items())


def test_the_example_of_contributing_passes_the_contract_tests(tmp_path: Path) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## A sampler or a pruner")[2]
    example = re.search(r"`(pipeline/experiment/samplers/\w+\.py)`:\n```python\n(.*?)```", section, re.DOTALL)
    assert example
    path, code = example.groups()
    assert code.count("\n") <= 30
    for folder in ("pipeline", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / path).write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "tests/search/test_sampling.py", "-k", Path(path).stem]
    subprocess.run(command, cwd=tmp_path, check=True)
