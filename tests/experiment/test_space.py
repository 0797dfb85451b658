"""Search parameters and their combinations."""

import time
from itertools import islice

import pytest

from pipeline.core.yaml_document import Scalar
from pipeline.experiment.space import SearchParameter, grid, n_combinations

BILLION = SearchParameter(key="x", low=1, high=1e9, integer=True)


def test_a_range_of_a_billion_is_not_listed() -> None:
    start = time.process_time()
    assert BILLION.n_values == 10**9
    assert [BILLION.at(u) for u in (0, 0.5, 1 - 2**-53)] == [1, 500_000_001, 10**9]
    assert [drawn["x"] for drawn in islice(grid({}, (BILLION,)), 3)] == [1, 2, 3]
    assert n_combinations({}, (BILLION, SearchParameter(key="y", choices=("a", "b")))) == 2 * 10**9
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    ("parameter", "held", "others"),
    [
        (SearchParameter(key="x", choices=("a", 2, False)), ("a", 2, False), ("b", 1, True, "2")),
        (
            SearchParameter(key="x", low=1, high=9, step=3, integer=True),
            (1, 4, 7),
            (0, 2, 9, 10, 4.5, "4", float("nan")),
        ),
        (SearchParameter(key="x", low=0.0, high=0.3, step=0.1), (0.0, 0.1, 0.2), (-0.1, 0.15, 0.4, float("inf"))),
        (SearchParameter(key="x", low=1.0, high=2e9 - 1, step=1e9, integer=True), (1, 10**9 + 1), (2 * 10**9 + 1,)),
        (SearchParameter(key="x", low=0.1, high=1.0), (), (0.1, 0.5)),
    ],
)
def test_a_parameter_knows_its_values(
    parameter: SearchParameter, held: tuple[Scalar, ...], others: tuple[Scalar, ...]
) -> None:
    assert all(parameter.holds(value) for value in held)
    assert not any(parameter.holds(value) for value in others)


def test_combinations_are_counted_under_conditions() -> None:
    def space(high: float) -> tuple[SearchParameter, ...]:
        return (
            SearchParameter(key="a", low=1, high=high, integer=True),
            SearchParameter(key="b", choices=(1, 2, 3), when={"a": (5, 7, 0)}),  # a is never 0
            SearchParameter(key="c", choices=(True, False), when={"b": (2, 3), "f": ("on",)}),
            SearchParameter(key="d", choices=(True, False), when={"f": ("off",)}),
        )

    # without b: all but 5 and 7; with it: b = 1, and twice c for b = 2 and 3
    assert n_combinations({"f": "on"}, space(1e9)) == 10**9 - 2 + 2 * (1 + 2 * 2)
    drawn = list(grid({"f": "on"}, space(9)))
    assert n_combinations({"f": "on"}, space(9)) == len(drawn) == 9 - 2 + 2 * (1 + 2 * 2)
    assert {tuple(d) for d in drawn} == {("a",), ("a", "b"), ("a", "b", "c")}


@pytest.mark.parametrize(
    ("parameter", "us", "values"),
    [
        (SearchParameter(key="x", choices=("a", "b", "c")), (0, 0.34, 0.99), ("a", "b", "c")),
        (SearchParameter(key="x", low=0.0, high=1.0, step=0.5), (0, 0.5, 0.99), (0.0, 0.5, 1.0)),
        (SearchParameter(key="x", low=1, high=4, integer=True), (0, 0.3, 0.99), (1, 2, 4)),
        (SearchParameter(key="x", low=1e-4, high=1e-2, log=True), (0, 0.5), (1e-4, 1e-3)),
        (SearchParameter(key="x", low=1, high=100, log=True, integer=True), (0, 0.99999), (1, 100)),
        (SearchParameter(key="x", low=-1.0, high=1.0), (0, 0.5), (-1.0, 0.0)),
    ],
)
def test_shares_of_a_range_become_values(parameter: SearchParameter, us: tuple, values: tuple) -> None:
    chosen = [parameter.at(u) for u in us]
    assert [type(value) for value in chosen] == [type(value) for value in values]
    assert all(a == (b if isinstance(b, str) else pytest.approx(b)) for a, b in zip(chosen, values, strict=True))
