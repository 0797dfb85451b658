"""The examples of CONTRIBUTING.md, as written, under the contract tests in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 30


def examples(section: str) -> dict[str, str]:
    """Return the Python files that a section shows: path -> text."""
    text = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    )
    return dict(re.findall(r"`([\w/]+\.py)`:\n```python\n(.*?)```", text, re.DOTALL))


def check(section: str, folder: Path, tests: list[str]) -> None:
    """Copy the project to a folder, add the examples of a section, and run the tests whose ids name one of them."""
    files = examples(section)
    assert files
    assert all(code.count("\n") <= MAX_LINES for code in files.values())
    for name in ("pipeline", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for path, code in files.items():
        assert not (folder / path).exists()
        (folder / path).write_text(code, encoding="utf-8")
    names = [Path(path).stem for path in files]
    command = [sys.executable, "-m", "pytest", "-v", *tests, "-k", " or ".join(names)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert all(name in run.stdout for name in names)
