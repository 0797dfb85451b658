"""Numbers as text: percentages, counts, p values, durations and estimates with their intervals."""

from typing import Any

from pipeline.statistics.intervals import Estimate


def percent(share: float | None, digits: int = 1) -> str:
    """Return a percentage that reads 0 or 100 only where it is exact."""
    if share is None:
        return "–"
    text, least = f"{100 * share:.{digits}f}", 10.0**-digits
    if share > 0 and float(text) == 0:
        return f"<{least:.{digits}f} %"
    if share < 1 and float(text) == 100:
        return f">{100 - least:.{digits}f} %"
    return f"{text} %"


def count(value: float | None) -> str:
    """Return expected persons or a plain number: whole from 10, else two significant digits."""
    if value is None:
        return "–"
    if value == int(value) or value >= 10:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.005 else "<0.01"


def group_count(value: float) -> str:
    """Return a count of groups, of which some count in parts: one decimal unless it is whole."""
    return f"{value:,.0f}" if round(value, 6).is_integer() else f"{value:,.1f}"


def number(value: float | None) -> str:
    """Return four significant digits."""
    return "–" if value is None else f"{value:.4g}"


def points(spread: float | None) -> str:
    """Return a standard deviation of shares in percentage points."""
    return "–" if spread is None else f"{100 * spread:.2f}"


def p_value(p: float) -> str:
    """Return three decimals below 0.1, else two."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float) -> str:
    """Return seconds, minutes or hours; below ten seconds two significant digits."""
    if seconds < 9.5:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cell(value: Any) -> str:
    """Return a value of a table of parameters; empty for a gap."""
    if value is None or value != value:  # NaN alone differs from itself
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def counted(counts: dict[str, int]) -> list[list[str]]:
    """Return the rows of a table of counts by name."""
    return [[name.replace("_", " "), f"{n:,}"] for name, n in counts.items()]


def _with_ends(estimate: Estimate, show: Any, unit: str = "") -> str:
    low, high = (None if end is None else show(end).removesuffix(unit) for end in (estimate.low, estimate.high))
    if low is not None and high is not None and estimate.value is not None:
        return f"{show(estimate.value)} [{low}, {high}]"
    bound = None
    if low is not None:
        bound = f"at least {low}{unit}"
    elif high is not None:
        bound = f"at most {high}{unit}"
    if estimate.value is None:
        return bound or "cannot be estimated"
    return f"{show(estimate.value)} ({bound or 'no interval'})"


def percent_estimate(estimate: Estimate, digits: int = 1) -> str:
    """Return `98.0 % [94.3, 99.3]`, or the one-sided bound."""
    return _with_ends(estimate, lambda share: percent(share, digits), " %")


def count_estimate(estimate: Estimate) -> str:
    """Return `1,333 [162, 4,732]`, or the one-sided bound."""
    return _with_ends(estimate, count)


def number_estimate(estimate: Estimate) -> str:
    """Return `12.5 [8.1, 20.3]`, or the one-sided bound."""
    return _with_ends(estimate, lambda value: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


def points_estimate(estimate: Estimate, digits: int = 1) -> str:
    """Return a difference of shares in percentage points: `+1.2 [+0.4, +2.0]`."""
    return _with_ends(estimate, lambda share: f"{100 * share:+.{digits}f}".replace("-", "−"))
