"""A search whose coordinator and workers are killed at random times ends with the trials of an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from conftest import EXPERIMENT
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult

N_TRIALS, N_KILLS = 40, {"pruner": 50, "rungs": 20}
RUNGS = "fidelity: {rungs: [{share: 1/9}, {share: 1/3, best: 6, seeds: 2}, {share: 1, best: 4}]}"
SCRIPT = """
if __name__ == "__main__":  # imports too: a worker, which runs the script under another name, needs none of them
    from pathlib import Path
    from pipeline.search.search import search
    from pipeline.execution.settings import SearchSettings, Workspace
    root = Path({root!r})
    workspace = Workspace(root, SearchSettings(workers=2))
    result, runs = search(root / "quick.yaml", Path({development!r}), root / "out", workspace)
    result.write(root / "out")
    runs.write(root / "runs.json")
"""


def prepare(root: Path, kind: str) -> Path:
    """Write the experiment into a new folder, with a pruner or with rungs."""
    root.mkdir()
    text = EXPERIMENT.replace("trials: 5", f"trials: {N_TRIALS}").replace("n_epochs: 3", "n_epochs: 40")
    pruner = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
    assert pruner in text
    (root / "quick.yaml").write_text(text.replace(pruner, RUNGS) if kind == "rungs" else text)
    return root


def start(root: Path, development: Path) -> "subprocess.Popen[bytes]":
    script = root / "script.py"
    if not script.exists():
        script.write_text(SCRIPT.format(root=str(root), development=str(development)))
    with (root / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, str(script)], stdout=log, stderr=log)


def victim(process: "subprocess.Popen[bytes]", rng: random.Random) -> int:
    """Return the process id of the coordinator or of a worker that is training."""
    workers = [child.pid for child in psutil.Process(process.pid).children() if child.cpu_times().user > 1]
    return rng.choice([process.pid, *workers])


def trials(root: Path) -> pd.DataFrame:
    table = pd.read_csv(root / "out" / "trials.csv")
    kept = table[table["state"] != "failed"].drop(columns=["number", "reason"])  # the reason of failed ones
    return kept.reset_index(drop=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", N_KILLS)
def test_kills_change_no_trial(digits_folder: Path, tmp_path: Path, kind: str) -> None:
    rng = random.Random(1)
    calm, stormy = (prepare(tmp_path / name, kind) for name in ("calm", "stormy"))
    assert start(calm, digits_folder / "development").wait() == 0
    process = start(stormy, digits_folder / "development")
    killed = 0
    while killed < N_KILLS[kind]:
        time.sleep(rng.uniform(0.05, 8))
        if process.poll() is not None:
            assert process.returncode in (0, -signal.SIGKILL), (stormy / "log").read_text()[-3000:]
            assert process.returncode != 0, f"the search ended after {killed} kills; give it more trials"
            process = start(stormy, digits_folder / "development")
            continue
        try:
            os.kill(victim(process, rng), signal.SIGKILL)
            killed += 1
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    if process.wait() != 0:
        assert process.returncode == -signal.SIGKILL
        assert start(stormy, digits_folder / "development").wait() == 0
    pd.testing.assert_frame_equal(trials(stormy), trials(calm))
    if kind == "rungs":
        assert (stormy / "out/rungs.csv").read_bytes() == (calm / "out/rungs.csv").read_bytes()

    result, runs = SearchResult.read(stormy / "out"), SearchRuns.read(stormy / "runs.json")
    table = result.trials.set_index(result.trials["number"].map({run.number: run.run_id for run in runs.trials}))
    assert not table.index.isna().any()
    client = MlflowClient(f"sqlite:///{stormy / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED", "FAILED"}
    finished = {r.info.run_id: r for r in runs if r.info.status == "FINISHED" and r.data.tags["role"] != "study"}
    complete = table[table["state"] == "complete"]
    assert set(finished) == set(complete.index)
    assert len(complete) == len(set(complete.index))
    for run_id, trial in complete.iterrows():
        tracked = finished[str(run_id)].data
        assert tracked.metrics["score"] == trial["score"]
        parameters = {key: value for key, value in trial[result.parameters].items() if not pd.isna(value)}
        assert set(tracked.params) == set(parameters)
