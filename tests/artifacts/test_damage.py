"""Predictions and explanations that are damaged, or belong to another evaluation, are refused."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.robustness import Robustness
from pipeline.core.errors import DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two evaluations."""
    root = tmp_path_factory.mktemp("evaluations")
    for name, classes in (("single", ["healthy", "tumor"]), ("other", ["a", "b", "c"])):
        info = contract_data.dataset_info(name, classes, classes[-1:])
        contract_data.write_experiment(root, name, info, n_seeds=2)
    return root


def test_damaged_predictions_are_refused(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(root / "data/evaluate/single", folder)
    table = pd.read_csv(folder / "predictions.csv", dtype={"sample": str, "group": str})
    for damage, reason in (
        (table.iloc[1:], "not the same images|incomplete"),
        (table[table["part"] != "test"], "incomplete"),
        (table.drop(columns="p_tumor"), "damaged"),
        (table.assign(sample=np.where(table.index == 0, "strange", table["sample"])), "do not fit together"),
    ):
        damage.to_csv(folder / "predictions.csv", index=False)
        with pytest.raises(DataError, match=reason):
            Evaluation.read(folder)


@pytest.mark.parametrize(
    "file", ["explanations.json", "examples.csv", "images.npy", "maps.npy", "metadata_baseline.csv"]
)
def test_missing_or_foreign_insights_are_refused(root: Path, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(root / "data/evaluate/single", folder)
    evaluation = Evaluation.read(folder)
    path = folder / "explanations" / file
    path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        Explanations.read(folder / "explanations", evaluation)
    path.unlink()
    with pytest.raises(DataError, match=r"damaged|cannot be read"):
        Explanations.read(folder / "explanations", evaluation)
    shutil.rmtree(folder / "explanations")
    shutil.copytree(root / "data/evaluate/other/explanations", folder / "explanations")
    with pytest.raises(DataError, match="run evaluate again"):
        Explanations.read(folder / "explanations", evaluation)


def test_damaged_or_foreign_predictions_under_corruptions_are_refused(root: Path, tmp_path: Path) -> None:
    folder = root / "data/evaluate/single"
    evaluation = Evaluation.read(folder)
    table = Robustness.read(folder, evaluation).table
    first = table["sample"].iloc[0]
    for damaged in (
        table.iloc[1:],
        table[table["seed"] == 100],
        pd.concat([table.iloc[:-1], table.iloc[:1]]),
        table.assign(sample=table["sample"].astype(str).replace(first, "strange")),
    ):
        Robustness(damaged).write(tmp_path)
        with pytest.raises(DataError, match="does not fit"):
            Robustness.read(tmp_path, evaluation)
    Robustness(table.drop(columns="seed")).write(tmp_path)
    with pytest.raises(DataError, match="damaged"):
        Robustness.read(tmp_path, evaluation)
    with pytest.raises(DataError, match="does not fit"):
        Robustness.read(root / "data/evaluate/other", evaluation)
