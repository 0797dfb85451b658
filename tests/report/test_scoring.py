from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from pipeline.artifacts.evaluation import Evaluation
from pipeline.report.analysis.decision import operating_curves
from pipeline.report.analysis.scoring import Resampling, compare, score_test_part


def test_compare_counts_groups(root: Path) -> None:
    comparison = compare(Evaluation.read(root / "data/evaluate/single"), Resampling(2000, np.random.default_rng(0)))
    table = pd.read_csv(root / "data/evaluate/single/predictions.csv", dtype={"sample": str, "group": str})
    test = table[table["part"] == "test"]
    right = (test["predicted"] == test["label"]).groupby([test["model"], test["group"]]).mean().unstack(0)
    lead = right["winner"] - right["baseline"]
    assert comparison.test.difference.value == pytest.approx(lead.mean())
    assert comparison.test.n_differing == (lead != 0).sum()
    b, c = int((lead > 0).sum()), int((lead < 0).sum())
    assert comparison.check == (100, 100, b, c, pytest.approx(binomtest(b, b + c).pvalue))


def test_operating_curves_equal_scikit_learn(root: Path) -> None:
    part = Evaluation.read(root / "data/evaluate/hostile").parts["test"]
    for (sensitivity, specificity), score in zip(
        operating_curves(part, "winner"), part.models["winner"].positive_score, strict=True
    ):
        copies = pd.Series(part.groups).groupby([part.positive, part.groups]).transform("size")  # a group counts once
        fpr, tpr, _ = reference.roc_curve(part.positive, score, sample_weight=1 / copies, drop_intermediate=False)
        np.testing.assert_allclose(sensitivity, tpr, atol=1e-12)
        np.testing.assert_allclose(specificity, 1 - fpr, atol=1e-12)


def test_the_champion_is_scored_alone(root: Path) -> None:
    evaluation = Evaluation.read(root / "data/evaluate/hostile")
    of = score_test_part(evaluation)
    run = [retrained.seed for retrained in evaluation.runs("winner")].index(evaluation.info.champion.seed)
    for name, estimate in of.champion.items():
        assert estimate.value == pytest.approx(of.seeds[name]["winner"][run])
        assert estimate.low is not None
        assert estimate.low < of.seeds[name]["winner"][run]
