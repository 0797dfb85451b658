"""A trained model answers alike on the command line, from Python, from MLflow's registry, over HTTP and exported."""

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

import contract_data
import documents
from pipeline import cli
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.samples import Samples
from pipeline.champion import FAR_SD, Champion, as_items, load_champion
from pipeline.core.errors import DataError, InputError
from pipeline.evaluation.model_registry import LOADER, register_champion
from pipeline.evaluation.served_model import ServedModel, SizeRange
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.models.registry import Shapes, build_model, describe
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import predict
from trained_examples import Trained, train

PARAMS = (Path(__file__).parents[1] / "params.yaml").read_text()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    root = tmp_path_factory.mktemp("trained")
    (root / "params.yaml").write_text(PARAMS.replace("\n  digits: digits\n", "\n  quick: digits\n"))
    yield train(root)
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def champion(trained: Trained) -> Champion:
    return load_champion("quick", trained.layout.root)


def uri(trained: Trained) -> str:
    return f"sqlite:///{trained.layout.root / 'mlflow.db'}"


def run(trained: Trained, monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str = "") -> Any:
    """Run a command in the project; return its exit code."""
    monkeypatch.chdir(trained.layout.root)
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
    finally:
        signal.signal(signal.SIGTERM, handler)
    return end.value.code


def evaluated(trained: Trained) -> pd.DataFrame:
    """Return predictions.csv of the winner with the path of each image, p_<class> as (mean over) seeds in order."""
    samples = Samples.read(trained.layout.prepared("bars")).table[["sample", "source"]]
    table = Evaluation.read(trained.layout.evaluate("quick")).predictions.query("model == 'winner'")
    return table.astype({"sample": str}).merge(samples, on="sample")


@pytest.mark.parametrize("choice", ["champion", "median", "all"])
def test_published_files_get_the_predictions_of_evaluate(
    trained: Trained, choice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "made" / "predictions.csv"
    assert run(trained, monkeypatch, "predict", "quick", "published", "--model", choice, "--out", str(out)) == 0
    table = pd.read_csv(out, keep_default_na=False).sort_values("file", ignore_index=True)
    info = Evaluation.read(trained.layout.evaluate("quick")).info
    by_score = sorted(info.models["winner"].runs, key=lambda run: run.val_score)
    assert len({run.val_score for run in by_score}) == 3
    seeds = {"champion": by_score[2:], "median": by_score[1:2], "all": by_score}[choice]
    rows = evaluated(trained)
    rows = rows[rows["seed"].isin([run.seed for run in seeds])]
    each = rows.pivot_table(index="source", columns="seed", values=["p_level", "p_upright"]).sort_index()
    assert list(table["file"]) == [f"published/{source}" for source in each.index]
    assert len(table) > 40
    for name in ("p_level", "p_upright"):
        np.testing.assert_allclose(table[name], each[name].mean(axis=1), atol=2e-6)
    is_upright = table["p_upright"] > table["p_level"]
    assert (table["class"] == np.where(is_upright, "upright", "level")).all()
    np.testing.assert_allclose(table["positive_score"], table["p_upright"], atol=1e-9)
    assert ((table["decision"] == "positive") == (table["positive_score"] >= table["threshold"])).all()
    assert (table["warning"] == "").all()
    if choice == "all":
        np.testing.assert_allclose(table["seed_sd"], each["p_level"].std(axis=1), atol=2e-6)
        val = table[table["file"].isin("published/" + rows.loc[rows["part"] == "val", "source"])]
        is_found = val.loc[val["file"].str.contains("upright"), "decision"] == "positive"
        assert is_found.mean() >= info.min_sensitivity
    else:
        assert "seed_sd" not in table
        assert (table["threshold"] == seeds[0].threshold).all()


def test_unreadable_inputs_are_listed_and_the_others_predicted(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scans"
    shutil.copytree(trained.files, folder)
    (folder / "level/broken.png").write_bytes(b"no image")
    (folder / ".DS_Store").touch()
    (folder / "notes.txt").touch()
    out = tmp_path / "x.json"
    names = (str(folder), "none.png")
    assert run(trained, monkeypatch, "predict", "quick", "-", "--out", str(out), stdin="\n".join(names)) == 1
    rows = json.loads(out.read_text())
    assert len(rows) == 48
    assert rows[0].keys() == {
        *("file", "class", "p_level", "p_upright", "positive_score", "threshold", "decision", "warning")
    }
    lines = capsys.readouterr().err.splitlines()
    assert re.search(r"1 hidden.*1 files without", lines[0])
    assert "data/evaluate/quick" in lines[1]
    assert [line.split(": ")[0].strip() for line in lines[-2:]] == ["none.png", str(folder / "level/broken.png")]
    assert not list(tmp_path.glob(".*part"))


def test_without_any_answer_nothing_is_written(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.csv"
    out.write_text("of an earlier call")
    assert run(trained, monkeypatch, "predict", "quick", "params.yaml", "--out", str(out)) == 1
    assert run(trained, monkeypatch, "predict", "quick", "params.yaml") == 1
    assert out.read_text() == "of an earlier call"
    assert capsys.readouterr().out == ""


def test_without_out_a_table_is_printed(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(trained, monkeypatch, "predict", "quick", "published/level/*.tif") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["file", "class", "p_level", "p_upright"]
    assert len(lines) == 1 + len(list(trained.files.glob("level/*.tif")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "quick", "none", "no*.png"), r"(?s)none: .*no\*\.png: "),
        (("predict", "quick", "params.yaml/.."), "no image file"),
        (("predict", "quick", "published", "--out", "x.txt"), r"\.csv or \.json.*x\.txt"),
        (("export", "quick", "--out", "x.onnx"), r"\.pt2.*x\.onnx"),
        (("predict", "mnist", "published"), "run: dvc repro evaluate@mnist"),
        (("predict", "mnist", "published", "--model", "all"), "run: dvc repro evaluate@mnist"),
        (("export", "mnist", "--out", "x.pt2"), "run: dvc repro evaluate@mnist"),
    ],
)
def test_bad_input_exits_with_2(
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert run(trained, monkeypatch, *arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_without_evaluation_and_database_nothing_is_created(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run: dvc repro evaluate@quick"):
        load_champion("quick", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_registry_alone_gives_the_same_answers(trained: Trained, champion: Champion, tmp_path: Path) -> None:
    registered = load_champion("quick", tmp_path, tracking_uri=uri(trained))
    assert "quick@champion, version" in registered.model.origin
    assert not list(tmp_path.iterdir())
    pd.testing.assert_frame_equal(answers(registered, trained), answers(champion, trained))


def answers(model: Any, trained: Trained) -> pd.DataFrame:
    return model.predict(sorted(trained.files.rglob("*.*")))


def test_mlflow_takes_paths_bytes_base64_and_arrays(trained: Trained, champion: Champion) -> None:
    mlflow.set_tracking_uri(uri(trained))
    model = mlflow.pyfunc.load_model("models:/quick@champion")
    pd.testing.assert_frame_equal(answers(model, trained), answers(champion, trained))
    path = trained.files / "upright/picture 3.png"
    data = path.read_bytes()
    text = base64.b64encode(data).decode()
    pixels = np.asarray(Image.open(path))
    images = [path, str(path), data, text, pixels, pixels.astype(np.float32)]
    table = model.predict(images)
    assert list(table["file"]) == [str(path), str(path), "image 2", "image 3", "image 4", "image 5"]
    assert len(table.drop(columns="file").drop_duplicates()) == 1
    for same in (data, text, pixels, np.stack([pixels]), pd.DataFrame({"image": [data]}), np.array([text])):
        assert model.predict(same).iloc[0, 1:].equals(table.iloc[0, 1:])


def register(trained: Trained) -> dict[int, dict[str, str]]:
    """Register the champion, check that it is the last version, and return the tags of all versions."""
    folder = trained.layout.evaluate("quick")
    runs = EvaluationRuns.read(trained.layout.evaluation_runs("quick"))
    workspace = Workspace(trained.layout.root, SearchSettings())
    register_champion(Evaluation.read(folder), runs, folder / "model/winner", workspace)
    client = MlflowClient(uri(trained))
    tags = {int(version.version): version.tags for version in client.search_model_versions("name = 'quick'")}
    assert int(client.get_model_version_by_alias("quick", "champion").version) == max(tags)
    return tags


def test_a_champion_is_registered_once(trained: Trained) -> None:
    assert register(trained) == register(trained)
    assert register(trained)[1] == {"loader": LOADER}


def test_a_version_of_an_older_format_is_replaced(trained: Trained) -> None:
    last = max(register(trained))
    client = MlflowClient(uri(trained))
    client.delete_model_version_tag("quick", str(last), "loader")
    try:
        assert max(register(trained)) == last + 1
    finally:
        client.set_model_version_tag("quick", str(last), "loader", LOADER)


def test_what_is_registered_holds_no_pickle(trained: Trained) -> None:
    files = {path.name for path in (trained.layout.root / "mlartifacts").rglob("*") if path.is_file()}
    assert files - {"registered_model_meta"} == {  # MLflow adds the name and version on loading
        *("champion.json", "dataset.json", "model.json", "weights.safetensors"),
        *("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"),
    }


def test_an_export_of_the_command_line_gives_the_same_answers(
    trained: Trained, champion: Champion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(trained, monkeypatch, "export", "quick", "--out", str(tmp_path / "quick.pt2")) == 0
    program = torch.export.load(tmp_path / "quick.pt2").module()
    images = np.array(Samples.read(trained.layout.test("bars")).images)
    exported = program(torch.from_numpy(images.transpose(0, 3, 1, 2)).float()).numpy()
    np.testing.assert_allclose(exported, champion.predict(images)[["p_level", "p_upright"]], atol=2e-6)


def test_unlike_images_get_a_warning(champion: Champion) -> None:
    model = champion.model
    mean, sd = model.description.mean[0], model.description.std[0]
    noise = np.random.default_rng(0).integers(-20, 21, (40, 50))
    usual = np.clip(noise + mean, 0, 255)
    bright = np.clip(noise + mean + (FAR_SD + 0.2) * sd, 0, 255)
    red = np.stack([usual, usual / 3, usual / 3], axis=2)
    images = [usual, bright, np.full((40, 50), mean), np.resize(usual, (400, 500)), np.resize(usual, (20, 110)), red]
    warnings = [*champion.predict(images)["warning"], *champion.predict(usual[:16, :16])["warning"]]
    starts = ["", "mean", "all", "size", "size", "in", ""]
    assert [warning.split(" ")[0] for warning in warnings] == starts
    assert "500 x 400" in warnings[3]


def test_a_model_of_colour_images_takes_colour_and_warns_of_grey() -> None:
    torch.manual_seed(0)
    shapes = Shapes(3, 16, 16, 2)
    described = ModelDescription(
        **dict(describe("mlp", {}, shapes)),
        mean=[150.0, 100.0, 100.0],
        std=[50.0] * 3,
        classes=["a", "b"],
        positive=[],
        precision="float32",
        test_time_augmentation="none",
    )
    info = contract_data.dataset_info("x", ["a", "b"], []).model_copy(update={"image_shape": (16, 16, 3)})
    sizes = SizeRange(width=(16, 16), height=(16, 16), aspect=(1, 1))
    network = build_model("mlp", {}, shapes).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    images[1] = images[1, :, :, :1]
    table = Champion(ServedModel([network], described, info, None, sizes, origin="")).predict(images)
    np.testing.assert_allclose(table[["p_a", "p_b"]], predict(network, described, images), atol=1e-6)
    assert list(table.columns) == ["file", "class", "p_a", "p_b", "warning"]
    assert [warning.split(",")[0] for warning in table["warning"]] == ["", "grey"]


def test_python_raises_for_unreadable_images_and_names_each(champion: Champion, trained: Trained) -> None:
    with pytest.raises(DataError) as error:
        champion.predict([*trained.files.glob("level/*.tif"), b"x", "none.png"])
    assert [problem.partition(": ")[0] for problem in error.value.problems] == ["image 6", "none.png"]
    assert champion.predict([]).columns.tolist()[:2] == ["file", "class"]


@pytest.mark.parametrize(
    ("images", "n"),
    [
        ("a.png", 1),
        (b"x", 1),
        (Path("a.png"), 1),
        (["a.png", b"x"], 2),
        (np.zeros((8, 8)), 1),
        (np.zeros((8, 8, 3)), 1),
        (np.zeros((5, 8, 8)), 5),
        (np.zeros((5, 8, 8, 1)), 5),
        (np.array(["a", "b"]), 2),
        (pd.DataFrame({"image": ["a", "b"]}), 2),
        (pd.Series(["a", "b"]), 2),
        ({"image": np.array(["a", "b"])}, 2),
    ],
)
def test_one_image_and_many(images: Any, n: int) -> None:
    assert len(as_items(images)) == n


def test_a_table_of_images_has_one_column() -> None:
    with pytest.raises(InputError, match="one column"):
        as_items(pd.DataFrame({"a": [1], "b": [2]}))


def shown(document: str, start: str) -> str:
    """Return the line of a document that starts so."""
    return next(line for line in documents.text_of(document).splitlines() if line.startswith(start))


@pytest.mark.parametrize("start", ["MLFLOW_TRACKING_URI", "printf"])
def test_readme_serves_as_the_guide_does(start: str) -> None:
    assert shown("README.md", start) == shown("docs/predict.md", start)


@pytest.mark.slow
def test_a_server_answers_the_request_that_the_guide_shows(trained: Trained, champion: Champion) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    root, path = trained.layout.root, "published/level/picture 0.jpg"
    bin_folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    repository = str(Path(__file__).parents[1])
    environment = {**os.environ, "PATH": bin_folder, "PYTHONPATH": repository}

    def command(start: str) -> list[str]:
        line = shown("docs/predict.md", start).replace("5001", port).replace("mine", "quick")
        return ["bash", "-c", line.replace("pictures/0.png", f"'{path}'")]

    with (root / "server.log").open("w") as log:
        server = subprocess.Popen(
            command("MLFLOW_TRACKING_URI"), cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping", server)
        done = subprocess.run(command("printf"), cwd=root, capture_output=True, text=True, check=True)
        expected = champion.predict(root / path).assign(file="image 0").to_dict("records")
        assert json.loads(done.stdout) == {"predictions": expected}
        body = json.dumps({"inputs": [str(root / path)]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body)
        request.add_header("Content-Type", "application/json")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        with refused.value as answer:
            assert (answer.code, b"reads no paths" in answer.read()) == (400, True)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)
