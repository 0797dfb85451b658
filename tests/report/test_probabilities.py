from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

import contract_data
from contract_data import MRI, SETTINGS
from pipeline.artifacts.evaluation import Evaluation
from pipeline.report.analysis.scoring import Resampling
from pipeline.report.sections.probabilities import calibrate, discriminate
from pipeline.stages import report
from pipeline.statistics.calibration import calibration_error
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.units import own_group_sizes, unit_weights


def resampling(draws: int) -> Resampling:
    return Resampling(draws, np.random.default_rng(0))


def test_calibration_is_shown_where_the_test_groups_suffice(
    root: Path, tmp_path: Path, show_only: Callable[..., None]
) -> None:
    evaluation = Evaluation.read(root / "data/evaluate/single")
    calibration = calibrate(evaluation, resampling(20))
    assert calibration
    assert len(calibration["winner"].curves["as stated"]) == 5  # bins: 100 groups, 20 a bin
    part = evaluation.parts["test"]
    top, right = part.models["winner"].probabilities[0].max(axis=1), part.models["winner"].predicted[0] == part.labels
    assert calibration["winner"].errors[0] == pytest.approx(
        calibration_error(top, right, 5, 1 / own_group_sizes(part.groups))
    )
    show_only("probabilities")
    few = contract_data.with_parts(MRI, train=(90, 90), val=(90, 90), test=(90, 90))
    report.run(contract_data.write_experiment(tmp_path, "few", few, n_seeds=2), "few", SETTINGS)
    html = (tmp_path / "reports/few/index.html").read_text(encoding="utf-8")
    assert "take 100 test groups" in html
    assert "expected calibration error" not in html


def test_the_area_has_an_interval_where_both_sides_suffice(root: Path) -> None:
    evaluation = Evaluation.read(root / "data/evaluate/hostile")
    part = evaluation.parts["test"]
    areas = discriminate(evaluation)
    weights = unit_weights(part.positive.astype(int), part.groups)
    scores = part.models["winner"].positive_score
    expected = [reference.roc_auc_score(part.positive, score, sample_weight=weights) for score in scores]
    assert areas.seeds["winner"] == pytest.approx(expected)
    low, high = areas.means["winner"].low, areas.means["winner"].high
    assert low is not None
    assert high is not None
    assert low < np.mean(expected) < high
    dataset = evaluation.dataset.model_copy(update={"positive": []})
    info = evaluation.info.model_copy(update={"dataset": dataset})
    many = discriminate(replace(evaluation, info=info))
    weights = unit_weights(part.labels, part.groups)  # no group of this part holds two classes
    macro = [
        np.mean([reference.roc_auc_score(part.labels == c, p[:, c], sample_weight=weights) for c in range(p.shape[1])])
        for p in part.models["winner"].probabilities
    ]
    assert many.seeds["winner"] == pytest.approx(macro)
    perfect = discriminate(Evaluation.read(root / "data/evaluate/perfect"))
    assert perfect.means["winner"] == Estimate(1.0, pytest.approx(0.05 ** (1 / perfect.n_groups)), None)
    tiny = replace(part, groups=np.minimum(part.groups, 5))
    few = replace(evaluation)
    few.__dict__["parts"] = {"test": tiny}  # in place of the cached property
    bare = discriminate(few)
    assert (bare.means["winner"].low, bare.means["winner"].high) == (None, None)
