"""The model card agrees with the evaluation it belongs to."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

import contract_data
from conftest import markdown_rows
from evaluation_examples import once_per_group
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Size
from pipeline.core.files import read_json
from pipeline.evaluation.model_card import write_model_card
from pipeline.models.registry import Shapes
from pipeline.training.network import ModelDescription

OUTLINE = [  # Mitchell et al. 2019
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip


def write(root: Path, classes: list[str], *, medical: bool, n_seeds: int = 2) -> str:
    info = contract_data.dataset_info("mri", classes, classes[:1], medical=medical)
    of_class = {name: Size(images=7, groups=5) for name in classes}
    parts = {part: size.model_copy(update={"classes": of_class}) for part, size in info.parts.items()}
    layout = Layout(root)
    contract_data.write_evaluate(layout, "quick", info.model_copy(update={"parts": parts}), n_seeds=n_seeds)
    folder = layout.evaluate("quick")
    winner = ModelDescription(
        model="cnn",
        options={"width": 16},
        shapes=Shapes(1, 8, 8, len(classes)),
        mean=[12.5],
        std=[3.25],
        classes=classes,
        positive=classes[:1],
        test_time_augmentation="none",
        precision="float32",
    )
    write_model_card(Evaluation.read(folder), winner, root / "MODEL_CARD.md")
    return (root / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_facts_are_those_of_the_files(tmp_path: Path) -> None:
    text = write(tmp_path / "quick", ["tumor", "healthy"], medical=True)
    rows = {row[0]: row[1:] for row in markdown_rows(text)}
    metrics = read_json(tmp_path / "quick/data/evaluate/quick/metrics.json")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == OUTLINE
    assert rows["trainable parameters"] == ["12,345"]
    assert rows["lr"] == [str(metrics["models"]["winner"]["config"]["lr"])]
    assert rows["options"] == ["width: 16"]
    assert rows["digest of the prepared data"] == [metrics["dataset"]["digest"]]
    assert rows["mean and standard deviation per channel"] == ["12.5 and 3.25"]
    assert rows["study"] == ["quick@0123456789ab"]
    assert ["test", "all", "110", "100"] in markdown_rows(text)
    assert "Research only, not a medical device" in text


def test_the_scores_equal_scikit_learn(tmp_path: Path) -> None:
    rows = markdown_rows(write(tmp_path / "quick", ["tumor", "healthy"], medical=True))
    table = pd.read_csv(tmp_path / "quick/data/evaluate/quick/predictions.csv").query("part == 'test'")
    for (model, seed), run in table.groupby(["model", "seed"]):
        once = once_per_group(run)
        accuracy = reference.accuracy_score(run["label"], run["predicted"], sample_weight=once)
        macro_f1 = reference.f1_score(run["label"], run["predicted"], average="macro", sample_weight=once)
        row = next(row for row in rows if row[:2] == [model, str(seed)])
        assert [float(row[3]), float(row[6])] == pytest.approx([accuracy, macro_f1], abs=5e-5)
    right = table["label"] == table["predicted"]
    once = 1 / table.groupby(["model", "seed", "group", "label"])["label"].transform("size")
    winner = table["model"] == "winner"
    mean = np.average(right[winner], weights=once[winner])
    assert float(next(row for row in rows if row[:2] == ["winner", "mean"])[3]) == pytest.approx(mean, abs=5e-5)
    healthy = np.average(right[winner & (table["label"] == 1)], weights=once[winner & (table["label"] == 1)])
    assert float(next(row for row in rows if row[0] == "healthy")[1]) == pytest.approx(healthy, abs=5e-5)


def test_hostile_classes_and_a_single_seed(tmp_path: Path) -> None:
    classes = ["a|b <script>alert(1)</script> *x* `y`", "plain"]
    text = write(tmp_path / "quick", classes, medical=False, n_seeds=1)
    assert [row[0] for row in markdown_rows(text)].count(classes[0]) == 1  # its recall
    assert "<script>" not in text
    assert "not a medical device" not in text
    assert not [row for row in markdown_rows(text) if row[1:2] == ["SD"]]
