"""Images of a user, from a folder in colour and from arrays as MedMNIST ships them, to their report."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
QUICK = {  # of the experiment that `new` writes: quick values
    "trials: 12": "trials: 2",
    "n_epochs: 15,": "n_epochs: 2, cnn.width: 8,",
    "n_epochs: [15, 30]": "n_epochs: [2]",
    "model: [cnn, se_resnet]": "cnn.width: [8, 16]",
    "{optimizer: adamw, schedule: one_cycle}": "{optimizer: adamw, schedule: one_cycle, model: cnn}",
    "{model: cnn, lr": "{lr",
}


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a command in a copy of the project with no data set but digits."""
    root = tmp_path / "project"
    for name in ("pipeline", ".dvc", "experiments"):
        ignored = shutil.ignore_patterns("__pycache__", "cache", "tmp", "*.yaml")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, root)
    text = (ROOT / "params.yaml").read_text()
    start, end = text.index("datasets:"), text.index("download:")
    text = f"{text[:start]}datasets:\n  digits: data/digits.yaml\nexperiments:\n  digits: digits\n\n{text[end:]}"
    (root / "params.yaml").write_text(text.replace("n_seeds: auto", "n_seeds: 2").replace("folds: 5", "folds: null"))
    (root / "data").mkdir()
    shutil.copy(ROOT / "data/digits.yaml", root / "data")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)

    def run(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run([sys.executable, "-m", *words], cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def made_quick(file: Path) -> None:
    text = file.read_text()
    for old, new in QUICK.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def score(root: Path, name: str) -> float:
    assert (root / f"reports/{name}/index.html").stat().st_size > 10_000
    return float(json.loads((root / f"reports/{name}/metrics.json").read_text())["test"]["accuracy"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_folder_of_colour_images_goes_through_to_the_report(tmp_path: Path, command: Callable[..., str]) -> None:
    """The classes differ in colour alone."""
    for kind, channel in (("red", 0), ("green", 1)):
        (tmp_path / "shapes" / kind).mkdir(parents=True)
        for k in range(100):
            pixels = np.random.default_rng([k, channel]).integers(60, 120, (40, 50, 3)).astype(np.uint8)
            pixels[..., channel] += 60
            Image.fromarray(pixels).save(tmp_path / "shapes" / kind / f"{k}.png")
    printed = command("pipeline", "new", "dataset", "shapes", "--folder", "../shapes")
    assert (
        printed.splitlines()[-1]
        == "next: dvc repro explore@shapes, look at reports/data/shapes/index.html, then dvc repro report@shapes"
    )
    made_quick(tmp_path / "project/experiments/shapes.yaml")
    command("dvc", "repro", "explore@shapes", "report@shapes")
    assert score(tmp_path / "project", "shapes") > 0.9
    table = command("pipeline", "predict", "shapes", "../shapes/red/0.png", "../shapes/green/1.png").splitlines()
    assert [line.split()[1] for line in table[1:3]] == ["red", "green"]
    assert "Data and pipelines are up to date" in command("dvc", "status", "download@shapes")
    shutil.copy(tmp_path / "shapes/red/0.png", tmp_path / "shapes/red/another.png")
    assert "modified" in command("dvc", "status", "download@shapes")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_set_of_medmnist_goes_through_to_the_report(tmp_path: Path, command: Callable[..., str]) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "project"
    arrays = {}
    for part, n in (("train", 200), ("val", 60), ("test", 80)):
        labels = np.arange(n) % 2
        arrays[f"{part}_images"] = (rng.integers(0, 100, (n, 28, 28)) + 60 * labels[:, None, None]).astype(np.uint8)
        arrays[f"{part}_labels"] = labels[:, None]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    (root / "data/xray.yaml").write_text("source: {npz: ../pneumoniamnist.npz}\nclasses: [normal, pneumonia]\n")
    experiment = """question: Which width?
dataset: xray
objective: accuracy
trials: 2
fixed: {model: cnn}
baseline: {lr: 0.001, batch_size: 32, n_epochs: 2, cnn.width: 8}
space: {lr: [0.001], batch_size: [32], n_epochs: [2], cnn.width: [8, 16]}
"""
    (root / "experiments/xray.yaml").write_text(experiment)
    params = (root / "params.yaml").read_text()
    params = params.replace("datasets:\n", "datasets:\n  xray: ../pneumoniamnist.npz\n")
    (root / "params.yaml").write_text(params.replace("experiments:\n", "experiments:\n  xray: xray\n"))
    command("dvc", "repro", "explore@xray", "report@xray")
    info = json.loads((root / "data/split/xray/test/dataset.json").read_text())
    assert info["keeps_official_test"]
    assert {part: info["parts"][part]["images"] for part in info["parts"]} == {"train": 200, "val": 60, "test": 80}
    assert score(root, "xray") > 0.9
