"""`pipeline new`: files that are valid as written, and lines in params.yaml."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from described import ROOT
from pipeline.artifacts.layout import Layout
from pipeline.core.errors import InputError
from pipeline.datasets.description import read_dataset
from pipeline.datasets.fetch import DownloadSettings
from pipeline.experiment.reader import read_experiment
from pipeline.new import new_dataset, new_experiment
from pipeline.params import read_params
from pipeline.stages import download, prepare, split


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "experiments").mkdir(parents=True)
    (project / "data").mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    shutil.copy(ROOT / "experiments/digits.yaml", project / "experiments")
    for kind in ("round", "flat"):
        (tmp_path / "shapes" / kind).mkdir(parents=True)
        for k in range(60):
            pixels = np.random.default_rng([k, len(kind)]).integers(0, 256, (9, 9), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "shapes" / kind / f"{k}.png")
    return project


def test_a_folder_becomes_a_data_set_and_an_experiment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    before = (root / "params.yaml").read_text().splitlines()
    lines = new_dataset(root, "shapes", "../shapes")
    assert (
        lines[-1]
        == "next: dvc repro explore@shapes, look at reports/data/shapes/index.html, then dvc repro report@shapes"
    )
    params = read_params(root / "params.yaml")
    assert (params.datasets["shapes"], params.experiments["shapes"]) == ("../shapes", "shapes")
    added = [line for line in (root / "params.yaml").read_text().splitlines() if line not in before]
    assert added == ["  shapes: ../shapes", "  shapes: shapes"]
    layout = Layout(root)
    download.run(layout, "shapes", params.datasets["shapes"], DownloadSettings(timeout_s=1, retries=0))
    prepare.run(layout, "shapes")
    split.run(layout, "shapes")
    assert read_experiment(root / "experiments/shapes.yaml", layout.development("shapes")).dataset == "shapes"


def test_an_experiment_has_the_data_set_of_its_name_or_the_one_that_is_named(root: Path) -> None:
    new_experiment(root, "mnist2", dataset="mnist")
    (root / "params.yaml").write_text((root / "params.yaml").read_text().replace("  mnist: mnist\n", ""))
    lines = new_experiment(root, "mnist")
    assert lines[0] == "wrote experiments/mnist.yaml on mnist, and added it to params.yaml"
    experiments = read_params(root / "params.yaml").experiments
    assert (experiments["mnist"], experiments["mnist2"]) == ("mnist", "mnist")
    with pytest.raises(InputError, match="'gone' is not among the data sets"):
        new_experiment(root, "other", dataset="gone")
    with pytest.raises(InputError, match="there is no such folder"):
        new_dataset(root, "own", "../gone")


def test_an_experiment_like_another(root: Path) -> None:
    lines = new_experiment(root, "wider", like="digits")
    assert lines[-1] == "next: edit it, then python -m pipeline space wider"
    assert read_params(root / "params.yaml").experiments["wider"] == "digits"
    text = (root / "experiments/wider.yaml").read_text()
    assert text.startswith(
        "# yaml-language-server: $schema=schema.json\n# Like digits.\n# Command: dvc repro report@wider\n"
    )
    assert text.splitlines()[3].startswith("question:")


def test_names_that_yaml_would_read_otherwise_are_quoted(root: Path) -> None:
    odd = root.parent / "a, b #1"
    (root.parent / "shapes").rename(odd)
    new_dataset(root, "odd", "../a, b #1")
    assert read_dataset(root, "odd").source.addresses() == ["../a, b #1"]
    assert read_params(root / "params.yaml").datasets["odd"] == "../a, b #1"


def test_what_cannot_be_written_leaves_nothing(root: Path) -> None:
    before = (root / "params.yaml").read_text()
    new_experiment(root, "mine", like="digits")
    with pytest.raises(InputError, match=r"mine\.yaml is there already; choose another name"):
        new_experiment(root, "mine", like="digits")
    with pytest.raises(InputError, match="known are digits"):
        new_experiment(root, "other", like="digit")
    (root / "experiments/mine.yaml").unlink()
    with pytest.raises(InputError, match="experiments names mine already; delete the line"):
        new_experiment(root, "mine", like="digits")
    for name in ("7", "a-b", "Ä", "a b", "data"):
        with pytest.raises(InputError, match="a name must start with a letter"):
            new_dataset(root, name, "../shapes")
    with pytest.raises(InputError, match="two or more classes, got no folder"):
        new_dataset(root, "one", "../shapes/round")
    assert not list((root / "data").iterdir())
    assert (root / "params.yaml").read_text() == before.replace(
        "  brain_mri_types: brain_mri_types\n", "  brain_mri_types: brain_mri_types\n  mine: digits\n"
    )
