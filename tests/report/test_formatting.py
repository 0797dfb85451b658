import pytest

from pipeline.report import formatting
from pipeline.statistics.intervals import Estimate


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.percent(0.9996), ">99.9 %"),
        (formatting.percent(1.0), "100.0 %"),
        (formatting.percent(0.0001), "<0.1 %"),
        (formatting.percent(0.0), "0.0 %"),
        (formatting.percent_estimate(Estimate(0.98, 0.9429, 0.9932)), "98.0 % [94.3, 99.3]"),
        (formatting.percent_estimate(Estimate(1.0, 0.98, None)), "100.0 % (at least 98.0 %)"),
        (formatting.percent_estimate(Estimate(1.0, None, None)), "100.0 % (no interval)"),
        (formatting.percent_estimate(Estimate(None, None, None)), "cannot be estimated"),
        (formatting.count_estimate(Estimate(1333.04, 162.4, 4732.2)), "1,333 [162, 4,732]"),
        (formatting.count_estimate(Estimate(None, None, 1976.6)), "at most 1,977"),
        (formatting.count_estimate(Estimate(0.4394, 0.15, 1.26)), "0.44 [0.15, 1.3]"),
        (formatting.points_estimate(Estimate(-0.012, -0.02, 0.004)), "−1.2 [−2.0, +0.4]"),
        (formatting.p_value(0.0004), "p < 0.001"),
        (formatting.p_value(0.0123), "p = 0.012"),
        (formatting.duration(0.034), "0.034 s"),
        (formatting.duration(9.5), "10 s"),
        (formatting.duration(5_400), "1.5 h"),
    ],
)
def test_numbers_as_shown(shown: str, expected: str) -> None:
    assert shown == expected
