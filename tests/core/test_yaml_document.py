"""YAML reading: what a user meant is read, and every problem is named with its line."""

from pathlib import Path

import pytest

from pipeline.artifacts.configuration import split_flat
from pipeline.core.errors import ConfigError
from pipeline.core.yaml_document import read_yaml, write_yaml
from pipeline.params import read_params
from pipeline.training.config import Training

ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, text: str | bytes) -> dict:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path).check()


def test_scalars_are_read_as_meant(tmp_path: Path) -> None:
    text = "a: 1e-3\nb: 1_000\nc: on\nd: true\ne: null\nf: 0x10\ng: -2.5\nh: '1e-3'\ni: 0\nj: .inf\nk: 007\n"
    expected = {"a": 1e-3, "b": 1000, "c": "on", "d": True, "e": None, "f": 16, "g": -2.5, "h": "1e-3", "i": 0, "k": 7}
    values = read(tmp_path, text)
    assert {key: values[key] for key in expected} == expected
    assert values["j"] == float("inf")


def test_on_and_off_are_booleans_where_a_boolean_is_wanted() -> None:
    training = {"model": "mlp", "lr": 0.1, "batch_size": 2, "n_epochs": 1}
    assert Training.model_validate({**training, "class_weights": "on"}).class_weights
    assert not Training.model_validate({**training, "class_weights": "no"}).class_weights


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1: file: must be a mapping of keys to values, got nothing"),
        ("- a\n", "1: file: must be a mapping of keys to values, got a list"),
        ("a: [1\n", "must be YAML"),
        ("a: 1\nb: 2\na: 3\n", ":1: a: the key stands here and again on line 3; keep one"),
        ("a: &x [1]\nb: *x\n", ":1: a: anchors and aliases are not allowed"),
        ("a: 1\nb: !!python/object:os.system x\n", ":2: b: only plain YAML values are allowed"),
        ("a: 1\n".encode("utf-16"), ":1: file: must be UTF-8 text"),
    ],
)
def test_bad_files_are_refused_with_line_and_rule(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert complaint in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        read_yaml(tmp_path / "none.yaml")


def test_written_yaml_reads_back(tmp_path: Path) -> None:
    value = {"z": {"lr": 1.5e-05, "flip": True, "model": "timm:resnet18"}, "a": [1, 2]}
    write_yaml(tmp_path / "out.yaml", value)
    assert read_yaml(tmp_path / "out.yaml").values == value


def test_flat_configuration_splits_into_training_and_model_options() -> None:
    training, options = split_flat({"lr": 0.1, "cnn.width": 8, "mlp.depth": 2, "cnn.kernel": 5})
    assert training == {"lr": 0.1}
    assert options == {"cnn": {"width": 8, "kernel": 5}, "mlp": {"depth": 2}}


def test_the_params_of_the_project_are_valid() -> None:
    params = read_params(ROOT / "params.yaml")
    assert set(params.experiments.values()) <= set(params.datasets)


def test_all_problems_of_params_are_reported_at_once(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("timeout_s: 30", "timeout_s: -1").replace("n_seeds: 5", "n_seed: 5")
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_params(path)
    line = text[: text.index("n_seed:")].count("\n") + 1
    assert f"params.yaml:{line}: evaluate.n_seed: unknown key" in str(error.value)
    assert "download.timeout_s: must be greater than 0, got -1" in str(error.value)


def test_experiment_on_an_unlisted_data_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("mnist: mnist\n", "mnist: mnits\n"))
    with pytest.raises(ConfigError, match=r"experiments\.mnist: must be one of .*; did you mean 'mnist'"):
        read_params(path)
