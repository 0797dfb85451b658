"""The history of files in git: which commits changed them, and what they held then."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Commit(NamedTuple):
    hash: str
    date: str  # YYYY-MM-DD, of the committer
    files: tuple[str, ...]  # those it changed, as paths from the top of the repository


def commits(root: Path, pattern: str) -> list[Commit] | None:
    """Return the commits that changed files of a pattern, oldest first; None where the history is not known whole.

    pattern: path from `root`, in which * matches any letters. Unknown: without git, outside a repository and in a
    shallow clone.
    """
    if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
        return None
    log = _git(root, "log", "--reverse", "--name-only", "--format=%x00%H%n%cs", "--", pattern)
    entries = [entry.split("\n") for entry in log.split("\0")[1:]]
    return [Commit(entry[0], entry[1], tuple(filter(None, entry[2:]))) for entry in entries]


def text_at(root: Path, commit: str, path: str) -> str:
    """Return what a file held at a commit, empty where it did not exist. path: from `root`."""
    return _git(root, "show", f"{commit}:./{path}")


def _git(root: Path, *arguments: str) -> str:
    """Return what git prints, empty where it fails."""
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
