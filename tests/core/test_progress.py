"""A bar on a terminal, few lines elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from pipeline.core import progress
from pipeline.core.progress import BYTES, progress_bar, time_left, track


def show(*, terminal: bool, unit: str = "models", total: int | None = 4) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, force_interactive=terminal, width=100, color_system=None)
    with progress_bar("[retrain]", total, unit=unit, n_done=1, console=console) as advance:
        advance(1)
        advance(2)
    return out.getvalue()


def test_a_terminal_shows_a_bar() -> None:
    last = show(terminal=True).rpartition("\r")[2]
    assert "[retrain]" in last
    assert "4/4" in last
    assert "models" in last
    assert "/s" in show(terminal=True, unit=BYTES)
    assert "4/?" in show(terminal=True, total=None)


def test_elsewhere_a_short_task_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert show(terminal=False) == ""
    assert list(track([3, 1, 2], "count", unit="numbers")) == [3, 1, 2]
    assert list(track(iter("ab"), "count", unit="letters")) == ["a", "b"]
    assert capfd.readouterr() == ("", "")


def test_elsewhere_a_long_task_prints_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    assert show(terminal=False).splitlines() == ["[retrain]: 2/4 models; about 0 s left", "[retrain]: 4/4 models"]
    assert show(terminal=False, unit=BYTES, total=None).splitlines() == ["[retrain]: 2 bytes", "[retrain]: 4 bytes"]


def test_the_time_left_follows_from_the_pace() -> None:
    assert time_left(60, 2, 2) == "; about 60 s left"
    assert time_left(60, 1, 3) == "; about 3 min left"
    assert time_left(60, 0, 3) == time_left(60, 3, 0) == ""
