"""A git repository for tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str, date: str = "2024-01-01") -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        times = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{date}T12:00:00Z")
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True, env={**os.environ, **times}
        ).stdout.strip()

    def commit(self, files: Mapping[str, str], date: str = "2024-01-01") -> str:
        """Write the files, commit them, and return the hash of the commit."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "change", date=date)
        return self.git("rev-parse", "HEAD")
