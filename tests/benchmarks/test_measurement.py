"""A row meets its target or misses it; rounds alternate between the ways."""

from collections.abc import Callable

from benchmarks.measurement import Row, median_seconds


def test_less_or_more_is_better() -> None:
    faster = Row("a", 30, reference=10, unit="images/s", aim="at least", target=3)
    slower = Row("a", 29, reference=10, unit="images/s", aim="at least", target=3)
    assert (faster.ratio, faster.aim, faster.met) == (3, "at least", True)
    assert not slower.met
    smaller = Row("b", 1.5, reference=1.5, unit="GB", aim="at most", target=1)
    larger = Row("b", 1.6, reference=1.5, unit="GB", aim="at most", target=1)
    assert (smaller.ratio, smaller.aim, smaller.met) == (1, "at most", True)
    assert not larger.met


def test_an_invalid_row_misses_its_target() -> None:
    assert not Row("a", 30, reference=10, unit="images/s", aim="at least", target=3, is_valid=False).met


def test_a_record_has_all_columns_of_the_table() -> None:
    record = Row("a", 30, reference=10, unit="images/s", aim="at least", target=4).record()
    assert list(record) == ["name", "ours", "reference", "unit", "ratio", "aim", "target", "met"]
    assert (record["ratio"], record["met"]) == (3, False)


def test_rounds_alternate_and_the_median_counts() -> None:
    calls = []
    seconds = {"a": iter([4.0, 1, 2]), "b": iter([10.0, 10, 10])}

    def way(name: str) -> Callable[[], float]:
        return lambda: calls.append(name) or next(seconds[name])  # type: ignore[func-returns-value]

    assert median_seconds({"a": way("a"), "b": way("b")}, rounds=3) == {"a": 2, "b": 10}
    assert calls == ["a", "b"] * 3
