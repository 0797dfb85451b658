"""What changes the digest of the code, and what does not, on a copy of the package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = "from pipeline.core.code_digest import code_digest; print(code_digest('pipeline.{module}'))"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=ignored))


def digest(package: Path, module: str = "training.trainer") -> str:
    command = [sys.executable, "-c", DIGEST.format(module=module)]
    return subprocess.run(command, cwd=package.parent, check=True, capture_output=True, text=True).stdout


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, n = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.DOTALL | re.MULTILINE)
    assert n
    path.write_text(text)


def move(package: Path, old: str, new: str) -> None:
    """Move a module to another room, and adapt the imports."""
    source = package.joinpath(*old.split(".")).with_suffix(".py")
    source.rename(package.joinpath(*new.split(".")).with_suffix(".py"))
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace(f"pipeline.{old} ", f"pipeline.{new} "))


@pytest.fixture(scope="module")
def before() -> str:
    """Return the digest of the package as it is."""
    return digest(ROOT / "pipeline")


def test_words_and_places_change_nothing(package: Path, before: str) -> None:
    edit(package / "training/trainer.py", '^class Trainer.*?:\n    """', "\\g<0>Edited. ")
    edit(package / "training/trainer.py", r"\A", "# a comment\n\n")
    edit(package / "training/__init__.py", r'"batches"', '"new", "batches"')
    (package / "models/note.py").write_text('"""A family without anything in it."""\n')
    move(package, "statistics.scores", "artifacts.scores")
    move(package, "training.precision", "models.precision")
    assert "pipeline.artifacts.scores import" in (package / "training/trainer.py").read_text()
    assert digest(package) == before


@pytest.mark.parametrize(
    ("file", "pattern", "replacement"),
    [
        ("training/trainer.py", r"time\.perf_counter", "time.monotonic"),  # a statement
        ("models/mlp.py", r"nn\.Linear", "nn.LazyLinear"),  # in a module that only its registry imports
        ("training/optimizers/from_torch.py", r"^from", "import math\nfrom"),
        ("statistics/scores.py", r"floor: float = 1e-12", "floor: float = 1e-9"),  # a default value
        ("training/config.py", r"class Training\(", "class Training(object, "),
    ],
)
def test_edited_code_changes_it(package: Path, before: str, file: str, pattern: str, replacement: str) -> None:
    edit(package / file, pattern, replacement)
    assert digest(package) != before


def test_a_name_from_another_module_changes_it(package: Path) -> None:
    """Both modules are read before and after, so that their contents alone would not show it."""
    for name in ("first", "second"):
        (package / f"core/{name}.py").write_text(f"def value():\n    return {name!r}\n")
    user = package / "core/user.py"
    user.write_text("from pipeline.core import second\nfrom pipeline.core.first import value\n\nprint(value, second)\n")
    before = digest(package, "core.user")
    edit(user, "core.first", "core.second")
    edit(user, "core import second", "core import first as second")
    assert digest(package, "core.user") != before


def test_only_code_that_is_used_counts(package: Path, before: str) -> None:
    (package / "report/new.py").write_text("print('not imported')\n")
    edit(package / "cli.py", r"\A", "import math\n")
    assert digest(package) == before
    assert digest(package) != digest(package, "models.registry")


def test_an_unknown_module_is_an_error(package: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        digest(package, "training.nothing")
    assert "no module 'pipeline.training.nothing'" in error.value.stderr
