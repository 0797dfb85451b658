"""Retraining: finished ones are kept, a dead worker is retried once, from the last epoch, and progress is by epoch."""

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

import contract_data
from evaluation_examples import description, finished_retraining
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.search_result import SearchResult
from pipeline.core import progress
from pipeline.evaluation import retrain
from pipeline.evaluation.retrain import Retraining, RetrainingResult, plan
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.job import Failed, Finished, Job, Result
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import evaluate, search
from pipeline.tracking.run_record import RunRecord

DIED, BROKEN = Failed("killed", died=True), Failed("the loss is nan")
EPOCH = Epoch(1, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5, None, None, 0.1, 1 / 3)


@pytest.fixture
def searched(tmp_path: Path) -> SearchResult:
    layout = Layout(tmp_path / "searched")
    contract_data.write_search(layout, "quick", contract_data.MRI)
    configs: list[Configuration] = [{"model": "cnn", "n_epochs": 2, "lr": lr} for lr in (0.1, 0.2)]
    return replace(SearchResult.read(layout.search("quick")), winner=configs[0], baseline=configs[1])


class Script:
    """An executor and a tracker: every training takes its next result, after one epoch."""

    n_workers = 1

    def __init__(self, **results: list[Result]) -> None:
        """results: by name, `_` for `-`."""
        self.results = {name.replace("_", "-"): iter(of_name) for name, of_name in results.items()}
        self.records: list[RunRecord] = []

    def start(self, record: RunRecord) -> RunRecord:
        self.records.append(record)
        return record

    def run(self, jobs: Iterable[Job], on_epoch: Callable[[int, Epoch], bool]) -> Iterator[tuple[int, Result]]:
        for i, job in enumerate(jobs):
            assert on_epoch(i, EPOCH)
            result = next(self.results[self.records[-1].name])
            if isinstance(result, Finished):
                assert job.weights
                job.weights.parent.mkdir(parents=True)
                job.weights.touch()
            yield i, result


def train_all(planned: list[Retraining], script: Script, monkeypatch: pytest.MonkeyPatch) -> dict[str, Failed]:
    monkeypatch.setattr(retrain, "open_executor", lambda settings: nullcontext(script))
    tracker: Any = script
    return retrain._train_all(planned, tracker, SearchSettings())


def finished(score: float = 0.5) -> Finished:
    return Finished(1, score, description("cnn", ["a", "b"], []), 10, [(3, 0.1)])


def test_every_model_gets_the_same_fresh_seeds(searched: SearchResult, tmp_path: Path) -> None:
    planned = plan(searched, tmp_path / "development", tmp_path, 2)
    assert [r.name for r in planned] == ["winner-seed-0", "winner-seed-1", "baseline-seed-0", "baseline-seed-1"]
    seeds = [r.seed for r in planned]
    assert seeds[:2] == seeds[2:]
    assert len(set(seeds)) == 2
    assert len({r.folder for r in planned}) == 4


@pytest.mark.parametrize("change", ["data", "code", "objective", "config", "nothing"])
def test_weights_are_reused_only_for_the_same_training(searched: SearchResult, tmp_path: Path, change: str) -> None:
    study, winner = searched.study, searched.winner
    if change == "objective":
        study = study.model_copy(update={"objective": "accuracy"})
    elif change == "config":
        winner = {**winner, "lr": 0.3}
    else:
        study = study.model_copy(
            update={"hashes": study.hashes | {change: "c" * 64} if change != "nothing" else study.hashes}
        )
    before = plan(searched, tmp_path, tmp_path, 1)[0].folder
    after = plan(replace(searched, study=study, winner=winner), tmp_path, tmp_path, 1)[0].folder
    assert (before == after) == (change == "nothing")


def test_what_is_kept_is_read_as_written_and_only_with_its_weights(tmp_path: Path) -> None:
    done = finished_retraining(tmp_path, description("mlp", ["a", "b"], ["a"]))
    assert done.plan.result() is None
    done.result.write(tmp_path / "run.json")
    assert done.plan.result() == done.result
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace("best_epoch", "of_another_version"))
    assert done.plan.result() is None
    (tmp_path / "run.json").write_text(text)
    done.plan.weights.unlink()
    assert done.plan.result() is None


def test_numbers_survive_the_file(tmp_path: Path) -> None:
    epochs = [replace(EPOCH, train_loss=1 / k, seconds=0.1 * k) for k in range(1, 200)]
    done = finished_retraining(tmp_path, description("mlp", ["a", "b"], []))
    written = done.result.model_copy(update={"epochs": epochs})
    written.write(tmp_path / "run.json")
    assert RetrainingResult.read(tmp_path / "run.json") == written


def test_a_dead_worker_is_retried_once_and_a_failure_is_not(
    searched: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(searched, tmp_path / "development", tmp_path / "kept", 2)
    script = Script(
        winner_seed_0=[DIED, finished(0.7)],
        winner_seed_1=[DIED, DIED],
        baseline_seed_0=[BROKEN],
        baseline_seed_1=[finished(0.6)],
    )
    assert train_all(planned, script, monkeypatch) == {"winner-seed-1": DIED, "baseline-seed-0": BROKEN}
    kept = [r.result() for r in planned]
    assert [result and result.score for result in kept] == [0.7, None, None, 0.6]
    assert kept[0]
    assert kept[0].epochs == [EPOCH]
    states = [(record.name, record.outcome and record.outcome.state) for record in script.records]
    assert states[:4] == [
        ("winner-seed-0", "failed"),
        ("winner-seed-1", "failed"),
        ("baseline-seed-0", "failed"),
        ("baseline-seed-1", "complete"),
    ]
    assert states[4:] == [("winner-seed-0", "complete"), ("winner-seed-1", "failed")]


def test_only_what_has_no_result_is_trained(
    searched: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(searched, tmp_path / "development", tmp_path / "kept", 1)
    first = Script(winner_seed_0=[finished()], baseline_seed_0=[BROKEN])
    assert train_all(planned, first, monkeypatch) == {"baseline-seed-0": BROKEN}
    second = Script(baseline_seed_0=[finished()])
    assert train_all(planned, second, monkeypatch) == {}
    assert [record.name for record in second.records] == ["baseline-seed-0"]


def test_an_interruption_closes_the_open_runs(
    searched: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(winner_seed_0=[], baseline_seed_0=[])
    with pytest.raises(RuntimeError):  # the script has ended
        train_all(plan(searched, tmp_path, tmp_path / "kept", 1), script, monkeypatch)
    assert [record.outcome and record.outcome.state for record in script.records] == ["interrupted"]


def test_progress_is_shown_by_epoch_with_the_time_left_without_a_terminal(
    searched: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    script = Script(winner_seed_0=[finished()], baseline_seed_0=[finished()])
    train_all(plan(searched, tmp_path, tmp_path / "kept", 1), script, monkeypatch)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("1/4 epochs")]
    assert lines
    assert "left" in lines[0]


SPACE = """
question: What does a retraining survive?
dataset: digits
trials: 1
fixed: {model: mlp, n_epochs: 100, batch_size: 64}
baseline: {lr: 0.01}
space: {lr: {low: 0.001, high: 0.1}}
"""


def kill_a_worker(root: Path) -> None:
    """Kill the workers once a retraining has finished its first epochs."""
    deadline = time.monotonic() + 120
    while not list(root.glob(".state/evaluate/*/checkpoint")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for child in psutil.Process().children():
        if any("spawn_main" in word for word in child.cmdline()):
            child.kill()


def runs(root: Path) -> pd.DataFrame:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    rows = client.search_runs([experiment.experiment_id], "tags.role = 'evaluate'")
    return pd.DataFrame([{"name": run.info.run_name, "status": run.info.status} for run in rows])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_a_retraining_whose_worker_dies_resumes_from_its_last_epoch(digits_folder: Path, tmp_path: Path) -> None:
    first = contract_data.project(tmp_path / "searched", digits_folder, SPACE)
    search.run(first, "quick", "digits", Workspace(first.root))
    settings = EvaluateSettings(n_seeds=1, min_sensitivity=0.9)
    evaluated = {}
    for name in ("calm", "stormy"):
        layout = contract_data.project(tmp_path / name, digits_folder, SPACE)
        shutil.copytree(first.search("quick"), layout.search("quick"))
        storm = threading.Thread(target=kill_a_worker, args=(layout.root,))
        if name == "stormy":
            storm.start()
        evaluate.run(layout, "quick", "digits", Workspace(layout.root), settings)
        if name == "stormy":
            storm.join()
        evaluated[name] = files(layout.evaluate("quick"))
    assert evaluated["stormy"] == evaluated["calm"]
    assert runs(tmp_path / "calm")["status"].tolist() == ["FINISHED"] * 2
    stormy = runs(tmp_path / "stormy")
    assert sorted(stormy["status"]) == ["FAILED", "FINISHED", "FINISHED"]
    assert stormy.groupby("name")["status"].agg(lambda statuses: "FINISHED" in set(statuses)).all()
