import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.report import formatting
from pipeline.report.analysis.scoring import score_predictions
from pipeline.report.results import Results
from pipeline.report.sections import metadata_baseline


def test_a_shortcut_is_named_with_its_share(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    layout = Layout(tmp_path)
    path = layout.evaluate("single") / "explanations/metadata_baseline.csv"
    table = pd.read_csv(path, dtype={"sample": str, "group": str})
    table["predicted"] = np.where(np.arange(len(table)) % 10, table["label"], 1 - table["label"])  # right in 9 of 10
    table["predicted_by_file"] = 0
    table.to_csv(path, index=False)
    results = Results.read(layout, "single", SETTINGS)
    winner = results.scores.means["accuracy"]["winner"].value
    assert winner is not None
    commonest = (table["label"] == np.bincount(results.evaluation.parts["train"].labels).argmax()).mean()
    share = (0.9 - commonest) / (winner - commonest)
    shown = "all" if share >= 1 else formatting.percent(share, 0)
    context = metadata_baseline.context(results)
    assert [caution.partition(" of what")[0] for caution in context["cautions"]] == [
        f"The data carry a shortcut: {shown}"
    ]
    assert "from the file alone: no notable part" in context["cautions"][0]
    assert f"reaches {formatting.percent(float(commonest))}." in context["sentences"][0]


def test_nine_of_ten_have_about_the_wilson_interval() -> None:
    labels = np.arange(100) % 2
    predicted = np.where(np.arange(100) % 10, labels, 1 - labels)
    estimate = score_predictions(labels, predicted[None], np.arange(100), 2)["accuracy"]
    low, high = binomtest(90, 100).proportion_ci(method="wilson")
    assert (estimate.value, estimate.low, estimate.high) == (
        0.9,
        pytest.approx(low, abs=0.03),
        pytest.approx(high, abs=0.03),
    )
