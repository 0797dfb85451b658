"""Figures of a study: those that its trials can carry, whatever these are."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from pipeline.study_figures import draw_study

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(0.001, 0.1, log=True),
    "model": CategoricalDistribution(("a", "b")),
}
WIDTH: dict[str, BaseDistribution] = {"width": FloatDistribution(1, 9)}
ALWAYS = {"history.png", "curves.png"}


def study(values: list[float], common: bool = True) -> optuna.Study:
    found = optuna.create_study(direction="maximize")
    found.add_trial(create_trial(value=0.1, user_attrs={"role": "baseline"}, intermediate_values={1: 0.1}))
    for k, value in enumerate(values):
        params: dict[str, object] = {"lr": 0.01 * (k + 1), "model": "ab"[k % 2]} if common else {"model": "a"}
        space = {key: SPACE[key] for key in params}
        if k % 2:  # drawn only there
            params, space = {**params, "width": float(k)}, space | WIDTH
        more = {"user_attrs": {"role": "search"}, "intermediate_values": {1: value / 2, 2: value}}
        found.add_trial(create_trial(value=value, params=params, distributions=space, **more))
    return found


@pytest.mark.parametrize(
    ("values", "common", "expected"),
    [
        ([0.2, 0.4, 0.5, 0.3, 0.6], True, {"importances.png", "parallel.png", "slices.png"}),
        ([0.2, 0.4, 0.5, 0.3, 0.6], False, {"parallel.png", "slices.png"}),  # nothing varies in all trials
        ([0.5] * 5, True, set()),  # nothing to explain
        ([0.5, 0.6], True, set()),
        ([], True, set()),
    ],
)
def test_each_is_drawn_where_trials_carry_it(
    tmp_path: Path, values: list[float], common: bool, expected: set[str]
) -> None:
    draw_study(study(values, common), "accuracy", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == ALWAYS | expected
    first = {path: path.read_bytes() for path in tmp_path.iterdir()}
    draw_study(study(values, common), "accuracy", tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == first
