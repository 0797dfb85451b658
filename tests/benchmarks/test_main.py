"""The whole benchmark: its table, and the picture of it."""

import io
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmark
from benchmarks import memory, search_overhead, training_speed
from benchmarks.measurement import Row
from benchmarks.search_overhead import Ceiling
from pipeline.core.files import read_json

KEYS = ["name", "ours", "reference", "unit", "ratio", "aim", "target", "met"]
FAST = Row("fast", 30, reference=10, unit="images/s", aim="at least", target=4)


def test_the_table_and_its_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_speed, "rows", lambda rounds, raw: [FAST])
    peak = Row("peak memory of training digits", 0.75, reference=1.5, unit="GB", aim="at most", target=1)
    monkeypatch.setattr(memory, "rows", lambda root: [peak])
    cost = Row("cost", 30, reference=100, unit="ms", aim="at most", target=0.4)
    monkeypatch.setattr(search_overhead, "rows", lambda rounds: [cost])
    monkeypatch.setattr(search_overhead, "scaling", lambda: [Ceiling("tpe", 1, 2, 3.0, 30.0, 0.1, 30, 300)])
    benchmark.run(tmp_path)
    content = read_json(tmp_path / "reports/benchmark.json")
    assert list(content) == ["machine", "date", "rows", "scaling"]
    rows = content["rows"]
    assert all(list(row) == KEYS for row in rows)
    assert all(row["ratio"] == row["ours"] / row["reference"] for row in rows)
    assert [(row["name"], row["met"]) for row in rows] == [
        ("fast", False), ("peak memory of training digits", True), ("cost", True),
    ]  # fmt: skip
    keys = ["sampler", "workers", "trials", "trials_per_s", "messages_per_s", "written_s", "feeds_1s", "feeds_10s"]
    assert list(content["scaling"][0]) == keys
    assert (tmp_path / "reports/benchmark.png").read_bytes().startswith(b"\x89PNG\r\n")
    output = capsys.readouterr().out
    assert "fast: 3\n" in output
    assert "data/split/mnist/development is missing; run: dvc repro split@mnist" in output


def test_the_picture_is_wide_enough_and_one_aim_is_enough(tmp_path: Path) -> None:
    benchmark.write_chart(tmp_path / "chart.png", [FAST])
    header = io.BytesIO((tmp_path / "chart.png").read_bytes()).read(24)
    assert int.from_bytes(header[16:20], "big") >= 900  # pixels, as PNG writes them
