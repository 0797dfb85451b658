"""Whole files or none, and one holder of a lock."""

import os
from pathlib import Path

import pytest

from pipeline.core.errors import BusyError
from pipeline.core.files import locked, read_json, sha256_file, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_json_keeps_order_and_refuses_what_json_does_not_know(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "ü", "a": [1.5, None]})
    assert (tmp_path / "x.json").read_text(encoding="utf-8").startswith('{\n  "b": "ü"')
    assert read_json(tmp_path / "x.json") == {"b": "ü", "a": [1.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert read_json(tmp_path / "x.json")["b"] == "ü"


def test_the_checksum_is_the_published_one(tmp_path: Path) -> None:
    write_text(tmp_path / "abc", "abc")
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")  # FIPS 180-2, example 1


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = rf"the study is in use by process {os.getpid()}"
    with locked(lock, "the study"), pytest.raises(BusyError, match=holder), locked(lock, "the study"):
        pass
    with locked(lock, "the study"):
        assert lock.read_text() == f"process {os.getpid()}"
