"""The benchmark of a set larger than memory, on a small one."""

import sys
from pathlib import Path

import pytest

from benchmarks import larger_than_memory
from pipeline.artifacts.samples import Samples


def test_generated_images_are_a_development_folder(tmp_path: Path) -> None:
    larger_than_memory.write_development(tmp_path, 300)
    samples = Samples.read(tmp_path)
    assert samples.images.shape == (300, 64, 64, 3)
    assert (len(samples.part("train")[0]), len(samples.part("val")[0])) == (297, 3)
    assert samples.table["sample"].is_unique


@pytest.mark.parametrize(("limit", "code"), [("4", 0), ("0.01", 1)])
def test_the_exit_code_says_whether_the_limit_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limit: str, code: int
) -> None:
    options = ["--gb", "0.005", "--limit", limit, "--workers", "1", "--folder", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", ["larger_than_memory", *options])
    assert larger_than_memory.main() == code
    assert "resident at most" in capsys.readouterr().out
    assert list((tmp_path / "new").iterdir()) == []
