"""The number of seeds follows from the share of the seeds in the variance of the score on val."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.evaluation import seeds
from pipeline.evaluation.settings import EvaluateSettings
from training_examples import samples_of

N_VAL = 400


@dataclass
class Trained:
    """A retraining whose predictions on val are known."""

    predicted: np.ndarray

    @property
    def plan(self) -> Any:
        return self

    model, objective, weights = "winner", "accuracy", None
    config: ClassVar = {"model": "mlp", "lr": 0.1, "batch_size": 20, "n_epochs": 1}

    @property
    def job(self) -> Any:
        return self

    @property
    def result(self) -> Any:
        return self

    @property
    def description(self) -> np.ndarray:
        return self.predicted


@pytest.fixture
def development(monkeypatch: pytest.MonkeyPatch) -> Any:
    def predict(predicted: np.ndarray, _: object, images: np.ndarray) -> np.ndarray:
        return np.eye(2)[predicted[: len(images)]]

    monkeypatch.setattr(seeds, "load_trained", lambda description, _: description)
    monkeypatch.setattr(seeds, "predict", predict)
    return samples_of(np.zeros((20 + N_VAL, 4, 4, 1), np.uint8), n_train=20)


def trained(n: int, errors: list[int]) -> list[Any]:
    """Return n retrainings; seed k is wrong on the first errors[k] images of val."""
    labels = np.arange(20, 20 + N_VAL) % 2
    return [Trained(np.where(np.arange(N_VAL) < errors[k], 1 - labels, labels)) for k in range(n)]


def test_equal_seeds_need_the_least(development: Any) -> None:
    needed, share = seeds.seeds_needed(trained(3, [20, 20, 20]), development)
    assert needed == 3
    assert share == pytest.approx(0, abs=1e-12)


def test_seeds_that_differ_much_need_the_most(development: Any) -> None:
    needed, share = seeds.seeds_needed(trained(3, [4, 40, 80]), development)
    assert needed == 10
    assert share > 0.2


def test_the_number_is_the_smallest_that_keeps_the_share(development: Any) -> None:
    errors = [20, 26, 23]
    needed, share = seeds.seeds_needed(trained(3, errors), development)
    of_one_to_units = 3 * share / (1 - share)  # s^2 over the variance between units
    assert 3 < needed < 10
    assert of_one_to_units / needed / (1 + of_one_to_units / needed) <= seeds.MAX_SHARE
    assert of_one_to_units / (needed - 1) / (1 + of_one_to_units / (needed - 1)) > seeds.MAX_SHARE


def test_more_are_trained_until_they_are_enough(development: Any) -> None:
    asked: list[int] = []

    def train(planned: Any) -> list[Any]:
        asked.append(planned)
        return trained(planned, [20, 26, 23] + [23] * 7)

    n, share = seeds.enough_seeds(None, lambda n: n, train, development)  # type: ignore[arg-type, return-value]
    assert asked[0] == 3
    assert len(asked) == 2
    assert n == asked[1]
    assert share is not None
    assert share <= seeds.MAX_SHARE


def test_a_costly_winner_has_fewer_seeds(development: Any) -> None:
    def most(n_epochs: int) -> int:
        return seeds.affordable_seeds({**Trained.config, "n_epochs": n_epochs}, development)

    assert (most(1), most(10**9)) == (10, 3)
    assert 3 < most(400_000) < 10


def test_a_fixed_number_is_not_questioned(development: Any) -> None:
    def train(_: Any) -> list[Any]:
        raise AssertionError

    assert seeds.enough_seeds(2, lambda n: n, train, development) == (2, None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("wrong", [0, -1, True, "many", 2.5])
def test_other_settings_are_refused(wrong: object) -> None:
    assert EvaluateSettings(n_seeds="auto", min_sensitivity=0.9).fixed_seeds is None
    assert EvaluateSettings(n_seeds=4, min_sensitivity=0.9).fixed_seeds == 4
    with pytest.raises(ValidationError):
        EvaluateSettings(n_seeds=wrong, min_sensitivity=0.9)  # type: ignore[arg-type]
