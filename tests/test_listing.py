"""`pipeline list`: how far data sets and experiments have come."""

import shutil
from pathlib import Path

import pytest

import contract_data
from described import ROOT
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.listing import listing
from pipeline.params import read_params


def test_each_state_is_shown_with_what_to_do_next(tmp_path: Path, digits_folder: Path) -> None:
    layout = Layout(tmp_path)
    for name in ("experiments", "data"):
        (tmp_path / name).mkdir()
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  mnist: mnist\n", "  gone: mnist\n"))
    for name in ("digits", "cifar10", "brain_mri", "brain_mri_types", "mnist_grid"):
        shutil.copy(ROOT / f"experiments/{name}.yaml", tmp_path / "experiments")
    (tmp_path / "data/own.yaml").write_text("source: {folder: own}\n")
    shutil.copytree(digits_folder, layout.split("digits"))
    contract_data.write_search(layout, "digits", Samples.read(layout.test("digits")).info)
    shown = list(listing(tmp_path, read_params(tmp_path / "params.yaml")))
    assert "  digits           1,797 images of 8 x 8 x 1, 10 classes" in shown
    assert "  mnist            not there; next: dvc repro split@mnist" in shown
    assert "  own: not in params.yaml" in shown
    assert "  digits           searched; next: dvc repro report@digits" in shown
    assert "  cifar10          not run; next: dvc repro report@cifar10" in shown
    assert f"  gone             {layout.experiment_file('gone')} is missing" in shown
    assert "  mnist_grid: not in params.yaml" in shown
    assert shown[-1].startswith("models: cnn, lenet, mlp")


def test_the_root_of_the_repository_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline import cli

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main(["list"])
    assert end.value.code == 2
    assert "there is no params.yaml in this folder; run from the root of the repository" in capsys.readouterr().err
