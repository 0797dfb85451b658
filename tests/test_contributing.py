"""The examples of CONTRIBUTING.md, as written, under the contract tests in a copy of the project."""

import shutil
import subprocess
import sys
from pathlib import Path

import contributing
from contributing import ROOT

CONTRACTS = {  # section -> the tests that its examples must pass
    "A model": (
        "tests/models/test_registry.py",
        "tests/models/test_model_summary.py",
        "tests/training/test_trainer.py",
        "tests/training/test_small_inputs.py",
    ),
    "An optimizer or a schedule": (
        "tests/training/test_optimizers.py",
        "tests/training/test_schedules.py",
        "tests/training/test_config.py",
    ),
    "A sampler or a pruner": ("tests/search/test_sampling.py",),
}


def test_the_examples_keep_the_contracts(tmp_path: Path) -> None:
    """Each example passes the tests whose ids name it; all run in one process, which takes seconds to start."""
    for name in ("pipeline", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/digits.yaml", tmp_path / "data")
    names: dict[str, list[str]] = {}
    for section in CONTRACTS:
        files = contributing.examples(section)
        assert files
        assert all(code.count("\n") <= contributing.MAX_LINES for code in files.values())
        for path, code in files.items():
            assert not (tmp_path / path).exists()
            (tmp_path / path).write_text(code, encoding="utf-8")
        names[section] = [Path(path).stem for path in files]
    tests = [test for of_section in CONTRACTS.values() for test in of_section]
    every_name = " or ".join(name for of_section in names.values() for name in of_section)
    command = [sys.executable, "-m", "pytest", "-v", *tests, "-k", every_name]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    passed = [line for line in run.stdout.splitlines() if " PASSED" in line]
    for section, tests_of_section in CONTRACTS.items():
        for name in names[section]:
            assert any(name in line and line.startswith(tests_of_section) for line in passed), name
