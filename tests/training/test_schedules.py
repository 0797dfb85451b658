"""Contracts that every registered learning-rate schedule keeps."""

import copy
import math

import pytest
import torch

from pipeline.training.schedules import register, registry


def an_optimizer() -> torch.optim.Optimizer:
    """Two groups with peaks of 0.1 and 0.3."""
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    return torch.optim.SGD([{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.3}], lr=0.1)


@pytest.mark.parametrize("name", registry())
def test_a_schedule_of_any_length_can_be_stepped_to_its_end(name: str) -> None:
    for n_steps in range(1, 9):
        optimizer = an_optimizer()
        schedule = registry()[name](optimizer, n_steps)
        for _ in range(n_steps):
            lr, other = schedule.get_last_lr()
            assert 0 < lr <= 0.1
            assert other == pytest.approx(3 * lr)
            optimizer.step()
            schedule.step()


@pytest.mark.parametrize("name", registry())
def test_a_restored_schedule_continues(name: str) -> None:
    optimizer = an_optimizer()
    schedule = registry()[name](optimizer, 10)
    rates = []
    states = []
    for _ in range(10):
        states.append(copy.deepcopy((optimizer.state_dict(), schedule.state_dict())))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    again = an_optimizer()
    restored = registry()[name](again, 10)
    again.load_state_dict(states[4][0])
    restored.load_state_dict(states[4][1])
    for rate in rates[4:]:
        assert again.param_groups[0]["lr"] == rate
        again.step()
        restored.step()


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("constant", [1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
        ("cosine", [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)]),
    ],
)
def test_curves_by_hand(name: str, curve: list[float]) -> None:
    optimizer = an_optimizer()
    schedule = registry()[name](optimizer, 8)
    for share in curve:
        assert schedule.get_last_lr() == pytest.approx([0.1 * share, 0.3 * share])
        optimizer.step()
        schedule.step()


def test_one_cycle_peaks_after_a_quarter_and_ends_near_zero() -> None:
    optimizer = an_optimizer()
    schedule = registry()["one_cycle"](optimizer, 100)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates.index(max(rates)) == 24
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] < 1e-5


def test_a_name_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="'cosine' is registered twice"):
        register("cosine")(registry()["cosine"])
