"""Figures of a study: only those for which its trials suffice."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from pipeline.search.study_figures import draw_study, importances

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(0.001, 0.1, log=True),
    "model": CategoricalDistribution(("a", "b")),
}
WIDTH: dict[str, BaseDistribution] = {"width": FloatDistribution(1, 9)}
ALWAYS = {"history.png", "curves.png"}


def study(values: list[float], common: bool = True) -> optuna.Study:
    made = optuna.create_study(direction="maximize")
    made.add_trial(create_trial(value=0.1, user_attrs={"role": "baseline", "slot": 0}, intermediate_values={1: 0.1}))
    for k, value in enumerate(values):
        params: dict[str, object] = {"lr": 0.01 * (k + 1), "model": "ab"[k % 2]} if common else {"model": "a"}
        space = {key: SPACE[key] for key in params}
        if k % 2:  # sampled only there
            params, space = {**params, "width": float(k)}, space | WIDTH
        more = {"user_attrs": {"role": "search", "slot": k + 1}, "intermediate_values": {1: value / 2, 2: value}}
        made.add_trial(create_trial(value=value, params=params, distributions=space, **more))
    return made


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
def test_each_figure_is_drawn_if_the_trials_suffice(
    tmp_path: Path, values: list[float], common: bool, expected: set[str]
) -> None:
    draw_study(study(values, common), "accuracy", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == ALWAYS | expected
    first = {path: path.read_bytes() for path in tmp_path.iterdir()}
    draw_study(study(values, common), "accuracy", tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert (importances(study(values, common), 9) is not None) == ("importances.png" in expected)


def test_the_parameter_that_decides_is_the_most_important() -> None:
    by_model = study([0.2, 0.8, 0.21, 0.79, 0.22, 0.81, 0.2, 0.8])
    shares = importances(by_model, 9)
    assert shares is not None
    assert list(shares) == ["model", "lr"]
    assert shares["model"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    rising = importances(study([0.1 * k for k in range(8)]), 9)
    assert rising is not None
    assert rising["lr"] > rising["model"]


def test_importances_depend_on_slots_and_not_on_numbers() -> None:
    whole = study([0.2, 0.8, 0.3, 0.7, 0.1])
    mixed = optuna.create_study(direction="maximize")
    mixed.add_trials(whole.trials[::-1])
    assert importances(mixed, 9) == importances(whole, 9) is not None
    assert importances(whole, 5) == importances(study([0.2, 0.8, 0.3, 0.7]), 9)
    assert importances(whole, 4) is None
