"""Flips and losses under corruptions, against counts by hand; a loss beyond doubt is a caution of the verdict."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from contract_data import SETTINGS
from evaluation_examples import once_per_group
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.robustness import Robustness
from pipeline.report.results import Results
from pipeline.report.sections import robustness
from pipeline.statistics.scores import LABELS


def test_flips_are_shares_of_groups(root: Path) -> None:
    results = Results.read(Layout(root), "hostile", SETTINGS)
    _, n_units, by_corruption = robustness.shifts(results)
    evaluation = results.evaluation
    table = evaluation.predictions.query("model == 'winner' and part == 'test'")
    corrupted = results.robustness.table.query("corruption == 'zoom'")
    joined = table.astype({"sample": str}).merge(corrupted.astype({"sample": str}), on=["seed", "sample"])
    one_run = joined[joined["seed"] == 100]
    weights = once_per_group(one_run).to_numpy()
    positive = joined[[f"p_{name}" for name in evaluation.positive]].sum(axis=1)
    before, after = positive >= 0.4, joined["positive_score"] >= 0.4  # the threshold of the contract data
    zoom, n_seeds = by_corruption["zoom"], joined["seed"].nunique()
    for flipped, shown in (
        (joined["predicted_x"] != joined["predicted_y"], zoom.changed),
        (before & ~after, zoom.lost),
        (~before & after, zoom.raised),
    ):
        by_seed = [np.average(flipped[joined["seed"] == 100 + k], weights=weights) for k in range(n_seeds)]
        assert shown is not None
        assert shown.value == pytest.approx(np.mean(by_seed))
        assert shown.low is not None
        assert shown.low < np.mean(by_seed)
    assert n_units == one_run["group"].nunique()
    assert by_corruption["noise"].changed.value == 0  # the contract data leave it as it is
    assert by_corruption["noise"].difference.value == 0


def test_a_loss_beyond_doubt_is_a_caution(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    layout = Layout(tmp_path)
    results = Results.read(layout, "perfect", SETTINGS)
    table = results.robustness.table
    changed = (table["corruption"] == "zoom") & (np.arange(len(table)) % 3 == 0)
    wrong = table["predicted"].where(~changed, 1 - table["predicted"])
    Robustness(table.assign(predicted=wrong)).write(layout.evaluate("perfect"))
    context = robustness.context(Results.read(layout, "perfect", SETTINGS))
    assert context["cautions"] == [f"Mild corruptions cost more than 2 points of {LABELS[results.objective]}: zoom."]
    assert robustness.context(Results.read(Layout(root), "single", SETTINGS))["tables"][0].rows[0][0] == "clean"
