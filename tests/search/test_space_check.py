"""The check of a space: its size, sampled configurations with their cost, and corners that cannot be built."""

import time
from pathlib import Path

import pytest

from conftest import EXPERIMENT
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError
from pipeline.experiment.reader import read_experiment
from pipeline.search import space_check


def write(tmp_path: Path, *pairs: str) -> Path:
    text = EXPERIMENT
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "quick.yaml"
    path.write_text(text)
    return path


def test_size_corners_and_samples_are_shown(tmp_path: Path, digits_folder: Path) -> None:
    lines = list(space_check.check_space(write(tmp_path), digits_folder / "development", threads=1))
    n = 2 * (57 + 2)  # batch sizes, times widths of mlp and of cnn
    assert lines[0] == f"quick: {n} combinations x continuous lr; 5 trials; 5 corners can be built"
    rows = [line.split() for line in lines[2:]]
    assert [row[0] for row in rows] == ["baseline", *["sample"] * space_check.N_SAMPLED]
    assert rows[0][1] == f"{(64 + 1) * 16 + (16 + 1) * 16 + 17 * 10:,}"  # of two hidden layers of 16
    assert float(rows[0][2]) > 0


def test_every_corner_that_cannot_be_built_is_named(tmp_path: Path, digits_folder: Path) -> None:
    file = write(tmp_path, "cnn.width: [4, 8]", "cnn.depth: {low: 1, high: 6}\n  cnn.pooling: [max, stride]")
    with pytest.raises(ConfigError) as error:
        list(space_check.check_space(file, digits_folder / "development", threads=1))
    assert any("model=cnn, cnn.depth=6, cnn.pooling=max: cnn: block 4 of 6" in p for p in error.value.problems)
    assert all("cnn.depth=6" in problem for problem in error.value.problems)


def test_corners_follow_conditions_over_several_steps(tmp_path: Path) -> None:
    deep = "{choice: [2], when: {cnn.batch_norm: true}}\n  cnn.batch_norm: {choice: [true], when: {batch_size: 32}}"
    experiment = read_experiment(write(tmp_path, "cnn.width: [4, 8]", f"cnn.depth: {deep}"))
    assert any(config.get("cnn.depth") == 2 for config in space_check.corners(experiment))


def test_a_range_of_a_billion_is_counted_and_its_ends_are_built(tmp_path: Path, development: Samples) -> None:
    width = "cnn.width: {choice: [4, 8], when: {batch_size: 1000000000}}"
    file = write(tmp_path, "[32, 64]", "{low: 1, high: 1000000000}", "cnn.width: [4, 8]", width)
    experiment = read_experiment(file)
    start = time.process_time()
    n = 57 * 10**9 + (10**9 - 1) + 2  # widths of mlp with every batch size, those of cnn with one
    assert space_check.size(experiment) == f"{n:,} combinations x continuous lr"
    corners = list(space_check.corners(experiment))
    drawn = [(c["batch_size"], c.get("cnn.width")) for c in corners if c["model"] == "cnn"]
    assert drawn == [(1, None), (10**9, 4), (10**9, 8)]
    assert time.process_time() - start < 0.1
    assert space_check.check_corners(file, experiment, development) == len(corners) == 1 + 2 * 2 + 3
