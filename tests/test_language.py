"""The prose and the names of the project avoid the words of language.py."""

from pathlib import Path

import pytest

import language

ROOT = Path(__file__).parent.parent
FOLDERS = ("pipeline", "benchmarks", "tests", "docs", "experiments")
SUFFIXES = {".py", ".md", ".jinja", ".js", ".yaml", ".toml"}
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if (path.suffix in SUFFIXES or path.name == "Makefile") and "language" not in path.stem
)
NOT_YET = (  # what these paths begin with is not yet checked
    "pipeline/commands/",
    "pipeline/execution/",
    "pipeline/models/",
    "pipeline/report/",
    "pipeline/tracking/",
    "pipeline/training/",
    "tests/commands/",
    "tests/execution/",
    "tests/experiment/",
    "tests/models/",
    "tests/report/",
    "tests/tracking/",
    "tests/training/",
)


def test_no_listed_word_is_used() -> None:
    checked = [path for path in FILES if not path.startswith(NOT_YET)]
    assert len(FILES) > 250
    assert not [problem for path in checked for problem in language.problems(ROOT / path)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"""Return what stands\nin it anew."""\n', ["1: 'stands'", "2: 'anew'"]),
        ("x = 1  # behind the first\n", ["1: 'behind'"]),
        ("found_rows = 1\nn_told = 2\nwas_found = 3\n", ["1: name 'found_rows'", "2: name 'n_told'"]),
        ("def f(left):\n    return f'{left} is left out; it stands alone'\n", []),
    ],
)
def test_words_are_named_with_their_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "code.py"
    path.write_text(text)
    assert [problem.removeprefix(f"{path}:").partition(";")[0] for problem in language.problems(path)] == words
