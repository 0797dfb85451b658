"""The whole pipeline with the real tools: `dvc repro` on a copy of the repository, from the digits to the summary."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from sklearn.datasets import load_digits

import documents
from conftest import EXPERIMENT
from pipeline import cli
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.samples import Samples

ROOT = Path(__file__).parents[2]
COPIED = (
    "pipeline",
    "experiments",
    "data/digits.yaml",
    ".dvc/config",
    ".dvc/plots",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
)


def call(folder: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise every stage compiles the copied package
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return call(folder, sys.executable, "-m", "dvc", *arguments)


def ran(output: str) -> list[str]:
    """Return the names of the stages that a `dvc repro` ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def commit(folder: Path) -> None:
    """Commit all files that git does not ignore."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    call(folder, "git", "add", ".")
    call(folder, "git", *identity, "commit", "--quiet", "--message", "test")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with one data set and one quick experiment in params.yaml, after its first `dvc repro`."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    text = (folder / "params.yaml").read_text()
    start, end = text.index("experiments:"), text.index("download:")
    text = f"{text[:start]}experiments:\n  quick: digits\n\n{text[end:]}"
    start, end = text.index("  mnist:"), text.index("experiments:")
    text = f"{text[:start]}\n{text[end:]}"
    (folder / "params.yaml").write_text(text)
    replace(folder / "params.yaml", "n_seeds: auto", "n_seeds: 2")
    replace(folder / "params.yaml", "folds: 5", "folds: 3")
    replace(folder / "params.yaml", "workers: 3", "workers: 1")  # tests/search has several
    (folder / "experiments/quick.yaml").write_text(EXPERIMENT)
    (folder / "pictures").mkdir()
    for k, pixels in enumerate(load_digits().images[:3]):
        Image.fromarray((pixels * 255 // 16).astype(np.uint8)).save(folder / f"pictures/{k}.png")
    call(folder, "git", "init", "--quiet")
    commit(folder)
    stages = ran(dvc(folder, "repro"))
    data_stages = [f"{stage}@digits" for stage in ("download", "prepare", "split", "explore")]
    experiment_stages = [f"{stage}@quick" for stage in ("search", "evaluate", "report")]
    assert sorted(stages) == sorted([*data_stages, *experiment_stages, "overlap", "summary"])
    return folder


def test_every_promised_file_is_there(project: Path) -> None:
    for name in (
        "data/raw/digits/digits.csv.gz",
        "data/prepared/digits/images.npy",
        "data/split/digits/development/samples.csv",
        "data/split/digits/test/images.npy",
        "data/search/quick/trials.csv",
        "data/evaluate/quick/predictions.csv",
        "data/evaluate/quick/model/winner/model.json",
        "data/evaluate/quick/model/MODEL_CARD.md",
        "data/evaluate/quick/folds/predictions.csv",
        "reports/data/digits/index.html",
        "reports/data/index.html",
        "reports/quick/index.html",
        "reports/quick/figures/confusion_test.png",
        "reports/index.html",
        "mlflow.db",
    ):
        assert (project / name).stat().st_size > 0, name
    assert len(list((project / "data/evaluate/quick/model/baseline").glob("seed-*.safetensors"))) == 2


def test_the_numbers_of_the_summary_are_those_of_the_predictions(project: Path) -> None:
    shown = json.loads(dvc(project, "metrics", "show", "--json"))
    metrics = shown[""]["data"]["reports/metrics.json"]["data"]["quick"]
    table = pd.read_csv(project / "data/evaluate/quick/predictions.csv")
    assert table.groupby("model")["seed"].nunique().to_dict() == {"winner": 2, "baseline": 2}
    assert len(table) == 4 * 1797
    test = table[(table["model"] == "winner") & (table["part"] == "test")]
    assert metrics["test"]["accuracy"] == pytest.approx((test["label"] == test["predicted"]).mean(), rel=1e-4)
    assert metrics["n_seeds"] == 2
    assert metrics["screening"]["false_positives_high"] > 0


def test_the_confusion_counts_are_plotted(project: Path) -> None:
    """Offline: `dvc plots show` writes a page with the filled template of .dvc/plots."""
    dvc(project, "plots", "show", "reports/quick/confusion.csv", "--out", "plots")
    page = (project / "plots/index.html").read_text()
    assert "share of the row" in page
    assert "<DVC_METRIC" not in page
    shutil.rmtree(project / "plots")


def test_a_second_repro_runs_nothing(project: Path) -> None:
    output = dvc(project, "repro")
    assert ran(output) == []
    assert "Data and pipelines are up to date" in output


def test_git_sees_results_but_no_data_and_no_pages(project: Path) -> None:
    seen = call(project, "git", "status", "--porcelain", "--untracked-files=all").split()[1::2]
    results = {"dvc.lock", "reports/README.md", "reports/metrics.json", "reports/leaderboard.csv"}
    results |= {"reports/data/README.md", "reports/data/digits/README.md"}
    results |= {f"reports/quick/{name}" for name in ("README.md", "metrics.json", "confusion.csv", "curves.csv")}
    assert set(seen) == results


def test_every_trial_has_its_run(project: Path) -> None:
    trials = pd.read_csv(project / "data/search/quick/trials.csv", dtype=str)
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    ids = {run.number: run.run_id for run in SearchRuns.read(project / "data/runs/search/quick.json").trials}
    for trial in trials.to_dict("records"):
        run = client.get_run(ids[int(trial["number"])])
        assert run.data.metrics["score"] == float(trial["score"])
        assert run.data.params["lr"] == trial["lr"]
        assert run.data.tags["dvc_stage"] == "search@quick"
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    roles = pd.Series([run.data.tags["role"] for run in runs]).value_counts().to_dict()
    assert roles == {"study": 1, "baseline": 1, "search": 4, "evaluate": 4, "fold": 6}
    assert not [run for run in runs if run.info.status == "RUNNING"]
    study = next(run for run in runs if run.data.tags["role"] == "study")
    shown = json.loads((project / "reports/quick/metrics.json").read_text())
    assert study.data.metrics["test_macro_f1"] == shown["test"]["macro_f1"]  # written by the stage `report`
    assert {run.data.tags["current"] for run in runs} == {"true"}


def test_the_winner_is_the_champion_of_the_registry_and_predicts_what_is_reported(project: Path) -> None:
    uri = f"sqlite:///{project / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    version = MlflowClient(uri).get_model_version_by_alias("quick", "champion")
    table = pd.read_csv(project / "data/evaluate/quick/predictions.csv")
    metrics = json.loads((project / "data/evaluate/quick/metrics.json").read_text())
    best = max(metrics["models"]["winner"]["runs"], key=lambda run: run["val_score"])
    runs = EvaluationRuns.read(project / "data/runs/evaluate/quick.json")
    assert version.run_id == runs.of("winner", best["seed"]).run_id
    rows = table.query("model == 'winner' and part == 'test' and seed == @best['seed']")
    samples = Samples.read(project / "data/split/digits/test")
    predicted = mlflow.pyfunc.load_model("models:/quick@champion").predict(np.asarray(samples.images))
    columns = [column for column in rows if column.startswith("p_")]
    np.testing.assert_allclose(predicted[columns], rows[columns], atol=1e-5)
    assert (predicted["warning"] == "").all()


def test_an_equal_search_reruns_no_evaluation_and_changes_no_published_file(project: Path) -> None:
    """All trials are trained again: neither their study nor their runs are there any more."""
    commit(project)
    runs = (project / "data/runs/search/quick.json").read_bytes()
    shutil.rmtree(project / ".state")
    (project / "mlflow.db").unlink()
    assert ran(dvc(project, "repro", "--force", "--single-item", "search@quick")) == ["search@quick"]
    assert (project / "data/runs/search/quick.json").read_bytes() != runs
    assert ran(dvc(project, "repro")) == ["report@quick", "summary"]
    assert call(project, "git", "diff", "--", "reports") == ""


def test_an_edit_reruns_what_uses_it(project: Path) -> None:
    def waiting(file: str) -> set[str]:
        path = project / "pipeline" / file
        text = path.read_text()
        path.write_text(f"{text}\n# edited\n")
        stages = ran(dvc(project, "repro", "--dry"))
        path.write_text(text)
        return {stage.partition("@")[0] for stage in stages}

    pages = {"explore", "overlap", "report", "summary"}
    assert waiting("report/drawing.py") == pages
    assert waiting("report/sections/performance.jinja") == pages
    assert waiting("tracking/mlflow.py") == set()
    waits = waiting("training/trainer.py")
    assert waits >= {"search"}
    assert not waits & {"download", "prepare", "split", "explore"}


def test_a_new_search_space_is_one_file_and_one_line(project: Path) -> None:
    text = EXPERIMENT.replace("trials: 5", "trials: 2").replace("  batch_size: [32, 64]\n", "  batch_size: [64, 256]\n")
    (project / "experiments/added.yaml").write_text(text)
    replace(project / "params.yaml", "  quick: digits\n", "  quick: digits\n  added: digits\n")
    assert ran(dvc(project, "repro")) == ["search@added", "evaluate@added", "report@added", "summary"]
    assert list(json.loads((project / "reports/metrics.json").read_text())) == ["quick", "added"]
    assert "added/index.html" in (project / "reports/index.html").read_text()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=pytest.mark.slow if " search " in command or "plots" in command else ())
        for command in documents.commands()
        if command not in documents.NOT_RUN
    ],
)
def test_the_commands_of_the_documents_run(project: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study = SearchRuns.read(Layout(project).search_runs("quick")).study
    words = shlex.split(command.replace("mine", "quick").replace("STUDY", study))
    # those that write to MLflow need a process of their own: in this one it has the deleted database open
    if words[:3] != ["python", "-m", "pipeline"] or {"publish", "search", "evaluate"} & set(words):
        call(project, *words)
        return
    monkeypatch.chdir(project)  # dvc starts processes of this kind above; here one would import for seconds
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main(words[3:])
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert end.value.code == 0


@pytest.mark.parametrize("document", ["README.md", "docs/predict.md"])
def test_the_python_blocks_of_the_documents_run(project: Path, document: str) -> None:
    """In the order of the document; a block may need what a command before it writes."""
    blocks = [block for language, block in documents.blocks(document) if language == "python"]
    assert blocks
    call(project, *shlex.split("python -m pipeline export quick --out quick.pt2"))
    script = "\n".join([*blocks, "assert len(table) in (1, 2, 4), table"]).replace("mine", "quick")
    call(project, "python", "-c", script)


def test_a_list_of_files_is_read_from_a_pipe_as_the_guide_shows(project: Path) -> None:
    lines = documents.text_of("docs/predict.md").splitlines()
    line = next(line for line in lines if line.startswith("find ")).replace("mine", "quick")
    call(project, "bash", "-c", line)
    rows = json.loads((project / "predictions.json").read_text())
    assert sorted(row["file"] for row in rows) == [f"pictures/{k}.png" for k in range(3)]
    assert all(row["seed_sd"] >= 0 for row in rows)
