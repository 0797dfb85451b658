"""The numbers of a report, against an independent computation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from scipy import stats
from scipy.special import expit, logit
from sklearn import metrics as reference

import contract_data
from contract_data import SETTINGS
from evaluation_examples import once_per_group
from pipeline.artifacts.layout import Layout
from pipeline.core.files import read_json
from pipeline.report.numbers import confusion_counts
from pipeline.report.results import Results


def test_numbers_equal_an_independent_count(root: Path) -> None:
    info = read_json(root / "data/report/hostile/numbers.json")
    numbers = info["metrics"]
    table = pd.read_csv(root / "data/evaluate/hostile/predictions.csv")
    test = table[(table["part"] == "test") & (table["model"] == "winner")]
    runs = [(t["label"], t["predicted"], once_per_group(t)) for _, t in test.groupby("seed")]
    accuracy = [reference.accuracy_score(label, predicted, sample_weight=w) for label, predicted, w in runs]
    macro_f1 = [reference.f1_score(label, predicted, average="macro", sample_weight=w) for label, predicted, w in runs]
    assert numbers["test"]["accuracy"] == pytest.approx(np.mean(accuracy), rel=1e-5)
    assert numbers["test"]["macro_f1"] == pytest.approx(np.mean(macro_f1), rel=1e-5)
    assert numbers["test_sd"]["macro_f1"] == pytest.approx(np.std(macro_f1, ddof=1), rel=1e-5)
    low, high = info["intervals"]["test"]["macro_f1"]
    assert low < np.mean(macro_f1) < high
    positive = test["label"] == 0
    called = test[f"p_{contract_data.HOSTILE[0]}"] >= 0.4
    sensitivity = called[positive].groupby([test["seed"], test["group"]]).mean().mean()  # each group counts once
    assert numbers["screening"]["sensitivity"] == pytest.approx(sensitivity, rel=1e-5)


def test_the_verdict_is_the_sentence_that_opens_the_page(root: Path, page: str) -> None:
    verdict = read_json(root / "data/report/hostile/numbers.json")["verdict"]
    assert verdict in " ".join(BeautifulSoup(page, "html.parser").get_text().split())


def test_intervals_count_groups(root: Path) -> None:
    for name, n_groups in (("hostile", 100), ("single", 100)):
        screening = read_json(root / "reports" / name / "metrics.json")["screening"]
        assert screening["n_diseased_groups"] + screening["n_healthy_groups"] == n_groups


def test_one_seed_of_single_images_gives_the_textbook_interval(root: Path) -> None:
    """The variance of a logit is 1 / (n p (1 - p)), with n - 1 degrees of freedom."""
    numbers = read_json(root / "reports/single/metrics.json")
    assert numbers["test_sd"]["macro_f1"] is None  # one seed has no spread
    screening = numbers["screening"]
    n, p = screening["n_healthy_groups"], screening["specificity"]
    half = stats.t.ppf(0.975, n - 1) / np.sqrt((n - 1) * p * (1 - p))
    healthy = 100_000 - 21.97
    ends = [screening["false_positives_low"], screening["false_positives_high"]]
    assert ends == pytest.approx([healthy * expit(logit(1 - p) + sign * half) for sign in (-1, 1)], rel=1e-4)


def test_metrics_have_the_agreed_shape(root: Path) -> None:
    metrics = read_json(root / "reports/metrics.json")
    assert list(metrics) == ["hostile", "perfect", "single"]
    agreed = [
        "test",
        "test_sd",
        "n_seeds",
        "baseline_test",
        "best_of_n_val",
        "n_trials",
        "cross_validation",
        "screening",
    ]
    assert list(metrics["hostile"]) == agreed
    assert metrics["hostile"]["n_trials"] == {"complete": 10, "pruned": 1, "failed": 1}
    assert set(metrics["hostile"]["test"]) == {"accuracy", "macro_precision", "macro_recall", "macro_f1"}


def test_the_summary_gets_every_prediction_of_the_winner(root: Path) -> None:
    handed = pd.read_csv(root / "data/report/hostile/test.csv", dtype={"sample": str}).set_index("sample")
    table = pd.read_csv(root / "data/evaluate/hostile/predictions.csv", dtype={"sample": str})
    test = table[(table["part"] == "test") & (table["model"] == "winner")]
    wide = test.pivot(index="sample", columns="seed", values="predicted").add_prefix("seed ")
    pd.testing.assert_frame_equal(handed[list(wide)], wide, check_names=False)
    groups = test.drop_duplicates("sample").set_index("sample")["group"]
    assert (handed["group"].nunique(), len(handed)) == (groups.nunique(), len(groups))


def test_confusion_counts_are_those_of_the_seed_with_the_median_score(root: Path) -> None:
    results = Results.read(Layout(root), "hostile", SETTINGS)
    counts = confusion_counts(results)
    classes = contract_data.HOSTILE
    assert [tuple(row) for row in counts[["actual", "predicted"]].to_numpy()] == [
        (a, p) for a in classes for p in classes
    ]
    table = pd.read_csv(root / "data/evaluate/hostile/predictions.csv")
    test = table[(table["part"] == "test") & (table["model"] == "winner")]
    by_seed = {
        s: reference.f1_score(t["label"], t["predicted"], average="macro", sample_weight=once_per_group(t))
        for s, t in test.groupby("seed")
    }
    median = test[test["seed"] == sorted(by_seed, key=lambda seed: by_seed[seed])[1]]
    expected = reference.confusion_matrix(median["label"], median["predicted"], sample_weight=once_per_group(median))
    np.testing.assert_allclose(counts["count"].to_numpy().reshape(3, 3), expected, atol=1e-3)
    assert len(pd.read_csv(root / "reports/hostile/confusion.csv")) == 9
