"""The board: in place on a terminal, a line per trial elsewhere."""

from io import StringIO

from rich.console import Console

from pipeline.search.progress import SearchProgress


def console(out: StringIO, terminal: bool = False) -> Console:
    return Console(file=out, force_terminal=terminal, width=100, color_system=None)


def play(terminal: bool) -> str:
    out = StringIO()
    with SearchProgress("quick", 4, 1, console=console(out, terminal)) as board:
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


def test_on_a_terminal_running_trials_stand_in_a_table() -> None:
    shown = play(terminal=True)
    assert "trial  epoch     val" in shown
    assert "1    3/3  0.5000" in shown
    assert "2    0/3" in shown
    assert "trial 3 failed at epoch 0/3: the [loss] is nan" in shown
    assert "trial 2 pruned" not in shown


def test_a_resumed_search_says_where_it_stands() -> None:
    out = StringIO()
    board = SearchProgress("quick", 6, 2, ["complete", "complete", "interrupted"], console(out))
    board.best = 0.9, 1
    with board:
        board.epoch(3, 2, 3, 0.4)
        board.closed(3, "complete", 0.4)
    lines = out.getvalue().splitlines()
    assert lines[0] == (
        "going on with quick 2/6: best 0.9000 (trial 1); 2 complete, 1 interrupted; "
        "what was interrupted goes on from its last epoch, as a new trial"
    )
    assert "quick 3/6: best 0.9000 (trial 1); 3 complete, 1 interrupted; about" in lines[1]
