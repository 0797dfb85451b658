"""The prose and the names of the project avoid the words of language.py."""

from pathlib import Path

import pytest

import language


def test_no_listed_word_is_used() -> None:
    files = language.checked_files()
    assert len(files) > 250
    assert not [problem for path in files for problem in language.problems(path)]


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
