"""Further scores on the page: over groups, of both models, at the sample's share and at the prevalence."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss, matthews_corrcoef

from contract_data import SETTINGS
from pipeline.artifacts.layout import Layout
from pipeline.report.analysis.measures import class_calibration, expected_costs, expected_positives, measures, units
from pipeline.report.results import Results
from pipeline.report.sections.measures import context
from pipeline.statistics.units import unit_weights


@pytest.fixture(scope="module")
def results(root: Path) -> Results:
    return Results.read(Layout(root), "hostile", SETTINGS)


def test_the_scores_are_those_of_scikit_learn_over_groups(results: Results) -> None:
    part = results.evaluation.parts["test"]
    weights, runs = unit_weights(part.labels, part.groups), part.models["winner"]
    sides = unit_weights(part.positive.astype(int), part.groups)
    expected = [
        np.mean([balanced_accuracy_score(part.labels, p, sample_weight=weights) for p in runs.predicted]),
        np.mean([matthews_corrcoef(part.labels, p, sample_weight=weights) for p in runs.predicted]),
        np.mean([np.average(p != part.labels, weights=weights) for p in runs.predicted])
        / (1 - np.bincount(part.labels, weights).max() / weights.sum()),
        np.mean(
            [
                brier_score_loss(part.labels, p, sample_weight=weights, scale_by_half=False, labels=[0, 1, 2])
                for p in runs.probabilities / runs.probabilities.sum(axis=-1, keepdims=True)
            ]
        ),
        np.mean([brier_score_loss(part.positive, p, sample_weight=weights) for p in runs.positive_score]),
        np.mean([average_precision_score(part.positive, p, sample_weight=sides) for p in runs.positive_score]),
    ]
    table = measures(results)
    assert [measure.winner.value for measure in table] == pytest.approx(expected, abs=1e-5)
    for measure in table:
        assert measure.winner.low is not None
        assert measure.winner.high is not None
        assert measure.winner.low < measure.winner.value < measure.winner.high  # type: ignore[operator]
        gap = (measure.winner.value or 0) - (measure.baseline.value or 0)
        assert measure.difference.value == pytest.approx(gap)
    balanced = results.scores.means["macro_recall"]["winner"].value
    assert table[0].winner.value == pytest.approx(balanced)


def test_costs_follow_from_sensitivity_and_specificity(results: Results) -> None:
    operation = results.decisions["winner"].operation
    prevalence = 21.97e-5
    for cost, by_model in expected_costs(results, prevalence).items():
        paid = cost * prevalence * (1 - operation.sensitivity) + (1 - prevalence) * (1 - operation.specificity)
        assert by_model["winner"].value == pytest.approx(paid / (cost * prevalence))
        assert (by_model["winner"].low or 0) < paid / (cost * prevalence) < (by_model["winner"].high or 0)


def test_the_probabilities_expect_the_share_of_the_sample_where_they_are_calibrated(results: Results) -> None:
    share = units(results).share
    expected = expected_positives(results, share)
    stated = results.evaluation.parts["test"].models["winner"].positive_score
    part = results.evaluation.parts["test"]
    weights = unit_weights(part.positive.astype(int), part.groups)
    assert expected.value == pytest.approx(np.mean([np.average(p, weights=weights) for p in stated]), abs=1e-5)
    rows = class_calibration(results)
    assert len(rows) == 3
    assert sum(row.surplus.value or 0 for row in rows) == pytest.approx(0, abs=1e-5)


def test_every_caption_has_n(root: Path) -> None:
    for name in ("hostile", "perfect", "single"):
        tables = context(Results.read(Layout(root), name, SETTINGS))["tables"]
        assert len(tables) == 5
        assert all("n = 100 units of test" in table.caption for table in tables)
