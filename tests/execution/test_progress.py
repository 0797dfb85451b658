"""Progress of trainings: a table in place on a terminal, lines at a bounded rate elsewhere."""

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from pipeline.core import progress
from pipeline.execution.progress import Tally, TrainingProgress


def console(out: StringIO, terminal: bool = False) -> Console:
    return Console(file=out, force_terminal=terminal, width=100, color_system=None)


def play(terminal: bool) -> str:
    out = StringIO()
    with TrainingProgress("quick", Tally(4, n_closed=1), console=console(out, terminal)) as board:
        board.epoch(1, 0, 3, None)
        board.epoch(2, 0, 3, None)
        board.epoch(1, 3, 3, 0.5)
        if terminal:
            board._live.refresh()
        board.best = 0.5, 1
        board.closed(1, "complete", 0.5)
        board.epoch(2, 1, 3, 0.25)
        board.closed(2, "pruned", 0.25)
        board.epoch(3, 0, 3, None)
        board.closed(3, "failed", None, "the [loss] is nan")
    return out.getvalue()


def test_without_a_terminal_each_trial_is_a_line() -> None:
    lines = play(terminal=False).splitlines()
    assert lines[0].startswith(
        "trial 1 complete at epoch 3/3, val 0.5000 | quick 2/4: best 0.5000 (trial 1); 1 complete"
    )
    assert lines[1].startswith(
        "trial 2 pruned at epoch 1/3, val 0.2500 | quick 3/4: best 0.5000 (trial 1); 1 complete, 1"
    )
    assert "about" in lines[1]
    assert lines[2].startswith("trial 3 failed at epoch 0/3: the [loss] is nan | quick 4/4: best 0.5000 (trial 1)")
    assert lines[3] == "quick 4/4: best 0.5000 (trial 1); 1 complete, 1 failed, 1 pruned"
    assert len(lines) == 4


def test_on_a_terminal_running_trials_are_a_table() -> None:
    shown = play(terminal=True)
    assert "trial  epoch     val" in shown
    assert "1    3/3  0.5000" in shown
    assert "2    0/3" in shown
    assert "trial 3 failed at epoch 0/3: the [loss] is nan" in shown
    assert "trial 2 pruned" not in shown


def test_a_resumed_search_shows_earlier_trials() -> None:
    out = StringIO()
    tally = Tally(6, 2, Counter({"complete": 2, "interrupted": 1}))
    board = TrainingProgress("quick", tally, console=console(out))
    board.best = 0.9, 1
    with board:
        board.epoch(3, 2, 3, 0.4)
        board.closed(3, "complete", 0.4)
    lines = out.getvalue().splitlines()
    assert lines[0] == (
        "resuming quick 2/6: best 0.9000 (trial 1); 2 complete, 1 interrupted; "
        "interrupted trials resume from their last epoch, as new ones"
    )
    assert "quick 3/6: best 0.9000 (trial 1); 3 complete, 1 interrupted; about" in lines[1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"s": 0.0}
    monkeypatch.setattr("time.monotonic", lambda: now["s"])
    return now


def test_lines_come_at_a_bounded_rate_with_the_time_left(clock: dict[str, float]) -> None:
    """Two trainings of 10 epochs at 20 s each, then two of 5: the lines come every half minute at most."""
    out, lines = StringIO(), []
    with TrainingProgress("retrain", Tally(4, epochs_planned=30), noun="model", console=console(out)) as board:
        for epoch in range(1, 4):
            for name in ("winner-seed-0", "winner-seed-1"):
                clock["s"] += 10
                board.epoch(name, epoch, 10, 0.5)
                lines.append(out.getvalue().count("\n"))
        assert out.getvalue().splitlines() == [
            "3/30 epochs | retrain 0/4: none finished; about 4 min left",
            "6/30 epochs | retrain 0/4: none finished; about 4 min left",
        ]
    assert lines == [0, 0, 1, 1, 1, 2]
    assert progress.LINE_EVERY_S == 30


def test_the_epochs_of_trials_to_come_are_estimated(clock: dict[str, float]) -> None:
    """One of 10 epochs is pruned after 2, one has 4 of its 10; the other two will have 6 each."""
    out = StringIO()
    board = TrainingProgress("quick", Tally(4), console=console(out))
    board.epoch(0, 2, 10, 0.5)
    board.closed(0, "pruned", 0.5)
    clock["s"] = 60
    board.epoch(1, 4, 10, 0.5)
    assert out.getvalue().splitlines()[1] == "6/24 epochs | quick 1/4: 1 pruned; about 3 min left"
