"""The overhead of a search: pretended workers behave as real ones, and the rows hold what was measured."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import search_overhead
from benchmarks.search_overhead import NO_MODEL, InstantWorkers
from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import Finished, Job, Stopped


def test_instant_workers_take_turns_and_take_work_when_free() -> None:
    taken: list[int] = []
    reported: list[tuple[int, int, int]] = []

    def jobs() -> Iterator[Job]:
        for i in range(5):
            taken.append(i)
            yield Job({"lr": 0.1, "n_epochs": 10}, Path(), i, "accuracy")

    def answer(i: int, epoch: Epoch) -> bool:
        reported.append((i, epoch.epoch, len(taken)))
        return not (i == 1 and epoch.epoch == 2)

    results = list(InstantWorkers(2).run(jobs(), answer))
    assert reported[:5] == [(0, 1, 2), (1, 1, 2), (0, 2, 2), (1, 2, 2), (0, 3, 3)]  # 2 is taken once 1 is stopped
    assert [i for i, _ in results] == [1, 0, 2, 3, 4]
    assert results[0] == (1, Stopped())
    assert results[1] == (0, Finished(10, 0.1, NO_MODEL, 0))


@pytest.mark.slow
def test_the_table_of_the_coordinator() -> None:
    table = list(search_overhead.scaling([(3, 6)]))
    assert [(row.sampler, row.workers, row.trials) for row in table] == [("random", 3, 6), ("tpe", 3, 6)]
    for row in table:
        assert row.messages_per_s > row.trials_per_s > 0
        assert row.feeds_10s == int(10 * row.messages_per_s)


@pytest.mark.slow
def test_executors_are_compared_on_equal_trainings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search_overhead, "N_IMAGES", 256)
    monkeypatch.setattr(search_overhead, "_cost", lambda rounds: "cost")
    monkeypatch.setitem(sys.modules, "pipeline.execution.ray", None)  # as if Ray were not installed
    cost, two = search_overhead.rows(1)
    assert cost == "cost"
    assert two.unit == "trials/min"
    assert two.ratio == pytest.approx(two.ours / two.reference)
    assert "Ray is not measured: search.executor is `ray`, which is not installed" in capsys.readouterr().out
