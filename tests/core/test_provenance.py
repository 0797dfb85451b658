"""The commit of a result, and the dirty check."""

import subprocess
from pathlib import Path

from pipeline.core.provenance import git_state


def test_files_that_a_run_writes_do_not_make_the_tree_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "reports").mkdir()
    for name in ("code.py", "dvc.lock", "reports/metrics.json"):
        (tmp_path / name).write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "all")
    assert len(git_state(tmp_path)["commit"]) == 40
    for name, dirty in (("dvc.lock", False), ("reports/metrics.json", False), ("code.py", True)):
        (tmp_path / name).write_text("2")
        assert git_state(tmp_path)["dirty"] is dirty
