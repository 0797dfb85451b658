"""Words that make the project's English read translated; `python tests/language.py [FILE ...]` lists where they occur.

Checked are comments, docstrings, strings and names of Python files, and the whole text of all others.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("pipeline", "benchmarks", "tests", "docs", "experiments")
SUFFIXES = {".py", ".md", ".jinja", ".js", ".yaml", ".toml"}
PHRASES = {  # pattern, in any case -> what to write instead
    r"(stands?|stood|standing)\b(?! (alone|for\b|out\b))": "is, lies, lives",
    r"anew": "again, from the start, new",
    r"(beside|behind)": "next to, after; for files: in the same folder",
    r"(told|tells|said)": "name what the code does: logs, returns, raises, names",
    r"mend(s|ed|ing)?": "fix",
    r"(dear|dearer|dearest)": "costly, slow",
    r"(go|goes|going|gone|went|fall|falls|hang|hangs) on": "resume, continue; depend on",
    r"by (itself|themselves)": "automatically",
    r"whatever": "any, regardless of",
    r"(is|are|was|were) none": "there is no",
    r"in mid-\w+": "during",
    r"so many": "the number, n",
    r"(is|are|was|were|be|stays?) away": "unreachable",
    r"(is|are|was|were) left\b(?! (out|of|to|unchanged|as|alone))": "remains",
    r"without a word": "without reporting a result",
    r"of equals": "ties go to",
    r"announced": "expected",
}
NAMES = {  # parts of names between underscores -> what to write instead
    "told": "text, message",
    "said": "output, text",
    "away": "unreachable",
    "anew": "again",
    "mend": "fix",
    "dear": "costly",
    "beside": "next_to",
    "behind": "after",
    "stands": "is",
    "whatever": "any",
}
PHRASE = re.compile("|".join(rf"(?:\b{pattern}(?!\w))" for pattern in PHRASES), re.IGNORECASE)


def checked_files() -> list[Path]:
    """Return every file with prose of the project, but this one and its test."""
    paths = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    texts = [path for path in paths if path.suffix in SUFFIXES or path.name == "Makefile"]
    return sorted(path for path in texts if "language" not in path.stem)


def problems(path: Path) -> Iterator[str]:
    """Yield `FILE:LINE: word; write ...` for each word of the lists in a file."""
    text = path.read_text(encoding="utf-8")
    for line, prose in _python_prose(text) if path.suffix == ".py" else enumerate(text.splitlines(), 1):
        for match in PHRASE.finditer(prose):
            at = line + prose.count("\n", 0, match.start())
            advice = next(a for pattern, a in PHRASES.items() if re.match(pattern, match[0], re.IGNORECASE))
            yield f"{path}:{at}: {match[0]!r}; write: {advice}"
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield from (f"{path}:{token.start[0]}: {problem}" for problem in _name_problems(token.string))


def _python_prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.start[0], token.string


def _name_problems(name: str) -> Iterator[str]:
    parts = name.lower().strip("_").split("_")
    for part in NAMES.keys() & parts:
        yield f"name {name!r}; write: {NAMES[part]}"
    if parts[0] == "found":
        yield f"name {name!r}; write what it holds: rows, problems, result"


if __name__ == "__main__":
    paths = [Path(name) for name in sys.argv[1:]] or checked_files()
    lines = [line for path in paths for line in problems(path)]
    print("\n".join(lines))
    sys.exit(bool(lines))
