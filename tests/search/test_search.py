"""A search on the real digits: repeatable, resumable, and tracked in MLflow."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from conftest import EXPERIMENT
from pipeline.artifacts import samples
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.samples import Samples
from pipeline.artifacts.search_result import TRIAL_COLUMNS, SearchResult
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.files import read_json
from pipeline.core.yaml_document import read_yaml
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.search import search
from pipeline.search.coordinator import Coordinator

pytestmark = pytest.mark.usefixtures("shared_workers")


def run(file: Path, digits: Path, root: Path, settings: SearchSettings | None = None, **options: Any) -> Path:
    out = root / "out"
    workspace = Workspace(root, settings or SearchSettings(workers=2))
    result, runs = search.search(file, digits / "development", out, workspace, **options)
    result.write(out)
    runs.write(root / "runs.json")
    return out


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_ids(root: Path) -> dict[int, str]:
    """Return number of a trial -> id of its run."""
    return {run.number: run.run_id for run in SearchRuns.read(root / "runs.json").trials}


def scores(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trials.csv").drop(columns="number")


def runs(root: Path) -> dict[str, list]:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    every = client.search_runs([experiment.experiment_id])
    return {role: [run for run in every if run.data.tags["role"] == role] for role in ("study", "baseline", "search")}


def assert_tracked(out: Path, root: Path) -> None:
    """Every trial has one run with equal parameters, score and state; no run remains open."""
    study = read_json(out / "study.json")
    tracked_runs = runs(root)
    study_run = SearchRuns.read(root / "runs.json").run_id
    ids = run_ids(root)
    by_id = {r.info.run_id: r for r in tracked_runs["baseline"] + tracked_runs["search"]}
    trials = pd.read_csv(out / "trials.csv", dtype=str)
    curves = pd.read_csv(out / "curves.csv")
    assert [r.info.run_id for r in tracked_runs["study"]] == [study_run]
    assert tracked_runs["study"][0].info.status == "FINISHED"
    parameters = [name for name in trials.columns if name not in TRIAL_COLUMNS]
    for trial in trials.to_dict("records"):
        tracked = by_id[ids[int(trial["number"])]]
        assert tracked.data.params == {k: trial[k] for k in parameters if isinstance(trial[k], str)}
        assert tracked.info.status == {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}[trial["state"]]
        assert tracked.data.metrics["score"] == pytest.approx(float(trial["score"]), abs=0)
        assert tracked.data.tags["mlflow.parentRunId"] == study_run
        assert tracked.data.tags["study"] == study["study"]
        last = curves[curves["number"] == int(trial["number"])].iloc[-1]
        assert tracked.data.metrics["val_loss"] == last["val_loss"]
        assert int(trial["epochs"]) == last["epoch"]
    finished = [r for r in by_id.values() if r.info.status == "FINISHED"]
    assert len(finished) == (trials["state"] == "complete").sum()
    assert not [r for r in by_id.values() if r.info.status == "RUNNING"]


@pytest.fixture(scope="module")
def unkilled(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory, shared_workers: None) -> Path:
    root = tmp_path_factory.mktemp("unkilled")
    file = root / "quick.yaml"
    file.write_text(EXPERIMENT)
    run(file, digits_folder, root)
    return root


def test_tables_and_tracking_agree(unkilled: Path) -> None:
    out = unkilled / "out"
    assert_tracked(out, unkilled)
    trials, study = pd.read_csv(out / "trials.csv"), read_json(out / "study.json")
    assert len(trials) == 5
    assert list(trials.columns[: len(TRIAL_COLUMNS)]) == list(TRIAL_COLUMNS)
    assert trials["role"].tolist() == ["baseline"] + ["search"] * 4
    assert sum(study["n_trials"].values()) == 5
    best = trials[trials["state"] == "complete"].sort_values("score", ascending=False).iloc[0]
    assert study["best"] == {"number": best["number"], "score": best["score"]}
    chosen = read_yaml(out / "best.yaml").values
    assert chosen["winner"]["lr"] == best["lr"]
    assert chosen["baseline"]["mlp.width"] == 16
    assert trials["score"][0] == pd.read_csv(out / "curves.csv").query("number == 0")["val_accuracy"].max()


def test_samples_respect_conditions(unkilled: Path) -> None:
    trials = pd.read_csv(unkilled / "out" / "trials.csv")
    assert set(trials["model"]) <= {"mlp", "cnn"}
    assert (trials["mlp.width"].notna() == (trials["model"] == "mlp")).all()
    assert (trials["cnn.width"].notna() == (trials["model"] == "cnn")).all()


def test_a_second_search_trains_nothing_and_writes_the_same(unkilled: Path, digits_folder: Path) -> None:
    before = contents(unkilled / "out")
    assert len(before) >= 6
    run(unkilled / "quick.yaml", digits_folder, unkilled)  # so an edit of the progress trains and evaluates nothing
    assert contents(unkilled / "out") == before
    assert_tracked(unkilled / "out", unkilled)


def test_a_fresh_search_trains_again_and_writes_the_same(unkilled: Path, digits_folder: Path, tmp_path: Path) -> None:
    """So no evaluation reruns."""
    root = shutil.copytree(unkilled, tmp_path / "fresh")
    run(root / "quick.yaml", digits_folder, root, fresh=True)
    files = contents(root / "out")
    assert {"trials.csv", "curves.csv", "best.yaml", "study.json"} <= set(files)
    assert files == contents(unkilled / "out")
    runs, fresh_runs = SearchRuns.read(unkilled / "runs.json"), SearchRuns.read(root / "runs.json")
    assert fresh_runs.study == f"{runs.study}.2"
    assert {trial.run_id for trial in fresh_runs.trials}.isdisjoint(trial.run_id for trial in runs.trials)


@pytest.mark.slow
def test_a_killed_search_resumes_and_ends_with_the_same_trials(
    unkilled: Path, digits_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "quick.yaml"
    file.write_text((unkilled / "quick.yaml").read_text())
    code = (
        "if __name__ == '__main__':\n"  # imports too: a worker, which runs the script too, needs none of them
        "    from pathlib import Path; from pipeline.search import search\n"
        "    from pipeline.execution.settings import SearchSettings, Workspace\n"
        f"    search.search(Path({str(file)!r}), "
        f"Path({str(digits_folder / 'development')!r}), Path({str(tmp_path / 'out')!r}), "
        f"Workspace(Path({str(tmp_path)!r}), SearchSettings(workers=2)))"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    journal: list[Path] = []
    while time.monotonic() < deadline and not (journal and journal[0].read_bytes().count(b'"curves"') >= 1):
        assert process.poll() is None, "the search ended before it was killed"
        journal = list(tmp_path.glob(".state/search/*/journal.log"))
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with journal[0].open("ab") as f:
        f.write(b'{"half')  # a kill during a write
    run(file, digits_folder, tmp_path)
    pd.testing.assert_frame_equal(scores(tmp_path / "out"), scores(unkilled / "out"))
    assert (tmp_path / "out" / "best.yaml").read_text() == (unkilled / "out" / "best.yaml").read_text()
    assert_tracked(tmp_path / "out", tmp_path)


@pytest.mark.usefixtures("with_database")
def test_adopted_trials_are_tracked_and_not_trained_again(unkilled: Path, digits_folder: Path, tmp_path: Path) -> None:
    """The adopting study has another number of threads."""
    shutil.copy(unkilled / "quick.yaml", tmp_path)
    shutil.copytree(unkilled / ".state", tmp_path / ".state")
    other = read_json(unkilled / "out" / "study.json")["study"]
    run(tmp_path / "quick.yaml", digits_folder, tmp_path, SearchSettings(workers=2, threads=2), adopt=other)
    assert read_json(tmp_path / "out" / "study.json")["study"] != other
    pd.testing.assert_frame_equal(scores(tmp_path / "out"), scores(unkilled / "out"))
    seconds = [[run.seconds for run in SearchRuns.read(root / "runs.json").trials] for root in (tmp_path, unkilled)]
    assert seconds[0] == seconds[1]
    assert_tracked(tmp_path / "out", tmp_path)


@pytest.mark.usefixtures("with_database")
def test_another_space_is_another_study(unkilled: Path, digits_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "quick.yaml"
    text = (unkilled / "quick.yaml").read_text().replace("trials: 5", "trials: 2").replace("[4, 8]", "[4]")
    file.write_text(text + "one_at_a_time: {weight_decay: [0.1]}\n")
    study = read_json(run(file, digits_folder, tmp_path) / "study.json")
    assert study["study"] != read_json(unkilled / "out" / "study.json")["study"]
    assert study["n_trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    assert study["variations"] == [{"number": 1, "key": "weight_decay", "value": 0.1, "baseline": None}]
    assert study["importances"] is None  # nothing was sampled


def test_more_trials_extend_the_study(unkilled: Path, digits_folder: Path) -> None:
    before = run_ids(unkilled)
    file = unkilled / "quick.yaml"
    file.write_text(file.read_text().replace("trials: 5", "trials: 6"))
    after = pd.read_csv(run(file, digits_folder, unkilled) / "trials.csv")
    assert len(after) == 6
    assert {number: run_ids(unkilled)[number] for number in before} == before


@pytest.mark.usefixtures("with_database")
def test_failing_trials_are_kept_and_a_hopeless_search_stops(digits_folder: Path, tmp_path: Path) -> None:
    text = """
question: What happens when every network is too deep?
dataset: digits
trials: 9
fixed: {model: cnn, n_epochs: 1, batch_size: 64, cnn.depth: 8}
baseline: {lr: 0.01}
space: {lr: {low: 0.001, high: 0.1}}
"""
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError, match="5 trials in a row failed: cnn: block 4 of 8 leaves no pixel"):
        run(file, digits_folder, tmp_path, SearchSettings(workers=1))
    with pytest.raises(PipelineError, match="failed trials are retrained"):
        run(file, digits_folder, tmp_path, SearchSettings(workers=1))  # trains them again
    tracked = runs(tmp_path)
    assert len(tracked["baseline"] + tracked["search"]) == 10
    assert {r.info.status for r in tracked["baseline"] + tracked["search"]} == {"FAILED"}
    assert all("leaves no pixel" in r.data.tags["reason"] for r in tracked["search"])
    for trials in (2, 9):  # fewer than stop a search; then the same slots again, and more
        file.write_text(text.replace("trials: 9", f"trials: {trials}"))
        with pytest.raises(PipelineError, match="failed: cnn: block 4 of 8"):
            run(file, digits_folder, tmp_path, SearchSettings(workers=1))
    assert len(runs(tmp_path)["baseline"]) == 4


def test_a_data_set_other_than_in_params_is_refused(experiment_file: Path, digits_folder: Path, tmp_path: Path) -> None:
    experiment_file.write_text(experiment_file.read_text().replace("dataset: digits", "dataset: mnist"))
    with pytest.raises(ConfigError, match=r":3: dataset: must be 'digits' as in params\.yaml, got 'mnist'"):
        search.search(experiment_file, digits_folder / "development", tmp_path / "o", Workspace(tmp_path))
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / ".state").exists()


def test_what_workers_hold_is_printed_before_anything_else(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "IN_MEMORY_BYTES", 20_000)
    with pytest.raises(ConfigError):  # there is no such file
        search.search(tmp_path / "none.yaml", digits_folder / "development", tmp_path / "o", Workspace(tmp_path))
    n_train = Samples.read(digits_folder / "development").info.parts["train"].images
    assert f"digits: workers read {n_train * 64 / 1000:.1f} kB of images" in capsys.readouterr().out


@pytest.mark.usefixtures("with_database")
def test_rungs_are_stored_tracked_and_not_trained_again(digits_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "quick.yaml"
    pruner = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
    file.write_text(EXPERIMENT.replace(pruner, "fidelity: {rungs: [{share: 0.45}, {share: 1, best: 1, seeds: 2}]}"))
    out = run(file, digits_folder, tmp_path)
    result, before = SearchResult.read(out), contents(out)
    trials, table = result.trials.set_index("number"), result.rungs
    assert trials.loc[0, ["role", "state", "rung", "share"]].tolist() == ["baseline", "complete", 0, 1.0]
    top = trials[(trials["rung"] == 1) & (trials["role"] == "search")]
    families = trials[trials["role"] == "search"].groupby("model").size()
    assert len(top) == len(families) <= 2
    assert set(top["state"]) == {"complete"}
    assert set(trials.loc[(trials["rung"] == 0) & (trials["role"] == "search"), "state"]) <= {"pruned"}
    assert table.groupby(["number", "rung"]).size().loc[top.index].tolist() == [1, 2] * len(top)
    for number in top.index:
        mean = table[(table["number"] == number) & (table["rung"] == 1)]["score"].mean()
        assert trials.loc[number, "score"] == pytest.approx(mean, abs=1e-12)
        rows = table[(table["number"] == number)]
        assert (rows["steps"] / rows["share"]).round(-1).nunique() == 1
    winner = trials.loc[result.study.best.number]
    assert winner["score"] == top["score"].max()

    client, ids = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}"), run_ids(tmp_path)
    for number, row in trials.iterrows():
        tracked = client.get_run(ids[int(str(number))])
        points = client.get_metric_history(tracked.info.run_id, "rung_score")
        scored = table[(table["number"] == number)].groupby("rung")["score"].mean()
        assert {point.step: point.value for point in points} == pytest.approx(scored.to_dict(), abs=1e-12)
        assert ("score" in tracked.data.metrics) == (row["state"] == "complete")
        assert tracked.info.status == {"complete": "FINISHED", "pruned": "KILLED"}[row["state"]]
    run(file, digits_folder, tmp_path)
    assert contents(out) == before
    assert not list(tmp_path.rglob("*.checkpoint"))


@pytest.mark.usefixtures("with_database")
def test_more_trials_extend_a_search_with_rungs(digits_folder: Path, tmp_path: Path) -> None:
    """The draws of the longer search are those that it would have had at once."""
    pruner = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
    text = EXPERIMENT.replace(pruner, "fidelity: {rungs: [{share: 0.45}, {share: 1, best: 1}]}")
    short, long = text.replace("trials: 5", "trials: 3"), text.replace("trials: 5", "trials: 6")
    file = tmp_path / "quick.yaml"
    file.write_text(short)
    run(file, digits_folder, tmp_path)
    file.write_text(long)
    extended = SearchResult.read(run(file, digits_folder, tmp_path))
    at_once = SearchResult.read(run(file, digits_folder, tmp_path, fresh=True))
    first = [result.rungs[result.rungs["rung"] == 0].reset_index(drop=True) for result in (extended, at_once)]
    pd.testing.assert_frame_equal(*first)
    assert extended.winner == at_once.winner


@pytest.mark.usefixtures("with_database")
def test_fewer_trials_leave_the_others_open(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search with rungs that is interrupted after the first and then gets a smaller budget ends within it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    pruner = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
    text = EXPERIMENT.replace(pruner, "fidelity: {rungs: [{share: 0.45}, {share: 1, best: 1}]}")
    file = tmp_path / "quick.yaml"
    file.write_text(text.replace("trials: 5", "trials: 6"))
    with monkeypatch.context() as patch:
        patch.setattr(Coordinator, "_climb", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(file, digits_folder, tmp_path)
    file.write_text(text.replace("trials: 5", "trials: 3"))
    short = SearchResult.read(run(file, digits_folder, tmp_path))
    assert len(short.trials) == 3
    at_once = SearchResult.read(run(file, digits_folder, tmp_path, fresh=True))
    pd.testing.assert_frame_equal(short.rungs, at_once.rungs)
    assert short.winner == at_once.winner
