"""The history of files, in real repositories."""

import subprocess
from pathlib import Path

from pipeline.core.history import commits, text_at
from repository import Repository


def test_commits_that_changed_a_file_come_oldest_first(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    first = repository.commit({"reports/a/metrics.json": "1", "other": "1"}, date="2024-01-02")
    repository.commit({"other": "2"})
    last = repository.commit({"reports/a/metrics.json": "2", "reports/b/metrics.json": "naïve"}, date="2024-03-04")
    log = commits(tmp_path, "reports/*/metrics.json")
    assert log is not None
    assert [commit.hash for commit in log] == [first, last]
    assert [commit.date for commit in log] == ["2024-01-02", "2024-03-04"]
    assert log[1].files == ("reports/a/metrics.json", "reports/b/metrics.json")
    assert text_at(tmp_path, first, "reports/a/metrics.json") == "1"
    assert text_at(tmp_path, last, "reports/b/metrics.json") == "naïve"
    assert text_at(tmp_path, first, "reports/b/metrics.json") == ""
    assert commits(tmp_path, "absent") == []


def test_the_project_may_be_a_folder_of_its_repository(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    only = repository.commit({"project/file": "1", "file": "2"})
    log = commits(tmp_path / "project", "file")
    assert log is not None
    assert [commit.files for commit in log] == [("project/file",)]
    assert text_at(tmp_path / "project", only, "file") == "1"


def test_an_incomplete_history_is_unknown(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "whole")
    repository.commit({"file": "1"})
    repository.commit({"file": "2"})
    clone = ["git", "clone", "--quiet", "--depth=1", f"file://{tmp_path / 'whole'}", str(tmp_path / "shallow")]
    subprocess.run(clone, check=True)
    assert commits(tmp_path / "shallow", "file") is None
    (tmp_path / "none").mkdir()
    assert commits(tmp_path / "none", "file") is None


def test_a_repository_without_a_commit_has_no_versions(tmp_path: Path) -> None:
    Repository(tmp_path)
    assert commits(tmp_path, "file") == []
