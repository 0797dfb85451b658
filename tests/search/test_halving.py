"""Successive halving: who reaches a rung, and what is trained there, from the scores alone."""

from pathlib import Path
from typing import Any

import pytest

from conftest import EXPERIMENT
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.halving import Halving, Task
from pipeline.search.selection import best_trial
from pipeline.search.trials import EndedTrial, RungScore

KNOWN = "{model: cnn, lr: 0.01, batch_size: 32, cnn.width: 8}"


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    rungs = "[{share: 1/9}, {share: 1/3, best: 2, seeds: 2}, {share: 1, best: 1}]"
    text = EXPERIMENT.replace("pruner: {name: median, startup_trials: 1, warmup: 0.3}", f"fidelity: {{rungs: {rungs}}}")
    path = tmp_path / "quick.yaml"
    path.write_text(f"{text}reference: {{hand: {KNOWN}}}\nenqueue: [{KNOWN}]\n".replace("trials: 5", "trials: 12"))
    return read_experiment(path)


def trial(slot: int, model: str, *scores: tuple[int, int, float | None], **changes: Any) -> EndedTrial:
    """Return an open trial. scores: rung, index of the seed, score."""
    values: dict[str, Any] = {
        "number": slot, "slot": slot, "state": "open", "role": "search", "config": {"model": model}, "epochs": (),
        "score": None, "violation": 0.0, "reason": "", "died": False, "diverged": False, "lost": False,
        "started_ms": 0, "ended_ms": 0,
    }  # fmt: skip
    rungs = tuple(RungScore(rung, share=1 / 9, repeat=k, score=score, steps=10) for rung, k, score in scores)
    return EndedTrial(**values | {"rungs": rungs} | changes)


def slots(trials: list[EndedTrial]) -> list[int]:
    return [each.slot for each in trials]


def test_the_best_of_each_family_go_on_and_ties_go_to_the_lower_slot(experiment: Experiment) -> None:
    trials = [trial(slot, "mlp", (0, 0, score)) for slot, score in ((7, 0.9), (3, 0.8), (4, 0.9), (5, 0.9))]
    trials += [trial(6, "cnn", (0, 0, 0.1)), trial(8, "cnn", (0, 0, None)), trial(9, "cnn")]
    halving = Halving(experiment)
    assert slots(halving.reaching(trials, 0)) == [3, 4, 5, 6, 7, 8, 9]
    assert slots(halving.reaching(trials, 1)) == [4, 5, 6]  # the worst family keeps its best one, not a failed one
    assert slots(halving.reaching(trials[::-1], 1)) == [4, 5, 6]


def test_every_seed_of_a_rung_is_a_task_once(experiment: Experiment) -> None:
    trials = [trial(3, "mlp", (0, 0, 0.9), (1, 1, 0.8)), trial(4, "cnn", (0, 0, 0.5))]
    halving = Halving(experiment)
    assert halving.tasks(trials, 1) == [Task(3, 1, 0), Task(4, 1, 0), Task(4, 1, 1)]
    assert halving.tasks([trial(3, "mlp", (0, 0, 0.9), state="pruned")], 1) == []


def test_the_next_best_takes_the_place_of_one_that_failed_under_every_seed(experiment: Experiment) -> None:
    half = trial(3, "mlp", (0, 0, 0.9), (1, 0, None), (1, 1, 0.7))
    others = [trial(4, "mlp", (0, 0, 0.8)), trial(5, "mlp", (0, 0, 0.7))]
    halving = Halving(experiment)
    assert slots(halving.reaching([half, *others], 1)) == [3, 4]
    assert half.mean_score(1) == 0.35  # a failed seed counts as 0
    failed = trial(3, "mlp", (0, 0, 0.9), (1, 0, None), (1, 1, None), state="failed")
    assert slots(halving.reaching([failed, *others], 1)) == [4, 5]


def test_references_take_every_rung_and_no_place(experiment: Experiment) -> None:
    trials = [trial(1, "cnn", (0, 0, 0.1), role="reference"), trial(2, "cnn", (0, 0, 0.5), role="enqueued")]
    trials += [trial(slot, "cnn", (0, 0, score)) for slot, score in ((3, 0.6), (4, 0.4))]
    trials += [trial(0, "mlp", role="baseline", state="complete", score=0.99)]
    assert slots(Halving(experiment).reaching(trials, 1)) == [1, 2, 3]
    assert slots(Halving(experiment).reaching(trials, 0)) == [1, 2, 3, 4]


def test_one_that_keeps_the_constraints_is_preferred(experiment: Experiment) -> None:
    violating = trial(3, "mlp", rungs=(RungScore(0, 1 / 9, 0, 0.9, steps=10, violation=0.1),))
    trials = [violating, trial(4, "mlp", (0, 0, 0.5)), trial(5, "mlp", (0, 0, 0.4))]
    assert slots(Halving(experiment).reaching(trials, 1)) == [4, 5]


def test_first_tasks_are_once_in_full_for_the_baseline(experiment: Experiment) -> None:
    halving = Halving(experiment)
    assert halving.first_tasks([0, 1, 3], []) == [Task(0), Task(1, 0), Task(3, 0)]
    assert halving.first_tasks([3], [trial(3, "mlp", (0, 0, 0.9))]) == []
    tally = halving.tally([trial(3, "mlp", (0, 0, 0.9), (1, 0, None))])
    # baseline; 11 others; at rung 1 two seeds of 2 of 2 families and the reference; at rung 2 one of each and it
    assert (tally.n_trainings, tally.n_closed) == (1 + 11 + 2 * 5 + 3, 2)
    assert tally.states == {"at rung 0": 1, "failed": 1}


def test_the_winner_is_one_of_the_last_rung(experiment: Experiment) -> None:
    baseline = trial(0, "mlp", role="baseline", state="complete", score=0.99)
    reference = trial(1, "cnn", (2, 0, 0.98), role="reference", state="complete", score=0.98)
    sampled = trial(3, "cnn", (2, 0, 0.9), state="complete", score=0.9)
    pruned = trial(4, "cnn", (0, 0, 1.0), state="pruned", score=1.0)
    assert best_trial([baseline, reference, sampled, pruned]) is sampled
    assert best_trial([baseline, reference]) is baseline
