"""Peak memory: which experiments, images and networks are measured, and that the process is a new one."""

import resource
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks import memory
from benchmarks.generated import write_development
from pipeline.artifacts.samples import Samples
from pipeline.experiment.reader import read_experiment

ROOT = Path(__file__).parents[2]
SIDES = {"digits": 8, "mnist": 28, "cifar10": 32, "brain_mri": 64, "brain_mri_types": 64}


def test_every_experiment_of_params_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    params = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    monkeypatch.setattr(memory, "STATUS", ROOT / "params.yaml")  # a file that every system has
    monkeypatch.setattr(memory, "development_size", lambda root, dataset: (8, (SIDES[dataset], SIDES[dataset], 1)))
    sides = []

    def peak(configs: object, development: Path) -> float:
        sides.append(Samples.read(development).images.shape[1])
        return 0.5

    monkeypatch.setattr(memory, "peak", peak)
    rows = list(memory.rows(ROOT))
    assert [row.name for row in rows] == [f"peak memory of training {name}" for name in params["experiments"]]
    assert {(row.ours, row.reference, row.unit, row.aim, row.target) for row in rows} == {
        (0.5, 1.5, "GB", "at most", 1)
    }
    assert sides == [SIDES[dataset] for dataset in params["experiments"].values()]


def test_as_many_images_as_the_development_part_has(digits_folder: Path) -> None:
    assert memory.development_size(digits_folder.parents[2], "digits") == (1797 - 269, (8, 8, 1))


def test_the_heaviest_networks_of_a_space(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text("""
question: How large?
dataset: digits
trials: 4
fixed: {n_epochs: 3}
baseline: {model: mlp, lr: 0.001, batch_size: 8, mlp.width: 500, mlp.depth: 1}
space:
  model: [cnn, mlp]
  lr: {low: 0.001, high: 0.1, log: true}
  batch_size: [64, 128, 32]
  mlp.width: {low: 8, high: 64}
  mlp.depth: {choice: [1, 2], when: {model: [mlp]}}
  cnn.batch_norm: [true, false]
""")
    every = {"n_epochs": 3, "lr": 0.1, "batch_size": 128}
    assert memory.heaviest(read_experiment(tmp_path / "wide.yaml")) == [
        {"model": "mlp", "n_epochs": 3, "lr": 0.001, "batch_size": 8, "mlp.width": 500, "mlp.depth": 1},
        {"model": "cnn", "cnn.batch_norm": True, **every},
        {"model": "mlp", "mlp.width": 64, "mlp.depth": 2, **every},
    ]


def test_peak_memory_is_that_of_a_new_process(tmp_path: Path) -> None:
    """This one has used more."""
    np.ones(1_500_000_000, np.uint8)
    development = write_development(tmp_path, 64, (8, 8, 1))
    peak_gb = memory.peak([{"model": "mlp", "lr": 0.1, "batch_size": 8, "n_epochs": 1}], development)
    own_peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert 0.1 < peak_gb < own_peak_gb - 0.5


def test_memory_is_not_measured_if_it_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    assert list(memory.rows(ROOT)) == []
    assert "Memory is not measured" in capsys.readouterr().out
