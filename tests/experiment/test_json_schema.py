"""The schema that editors use agrees with the reader of experiment files."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conftest import EXPERIMENT
from pipeline.core.yaml_document import read_yaml
from pipeline.experiment.json_schema import experiment_schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = experiment_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(validator: Draft202012Validator, tmp_path: Path, text: str) -> list[Any]:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return list(validator.iter_errors(read_yaml(path).values))


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_of_the_project_fits_and_names_it(validator: Draft202012Validator, file: Path) -> None:
    assert not list(validator.iter_errors(read_yaml(file).values))
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 5", "trails: 5"),
        ("trials: 5", "trials: 0"),
        ("[32, 64]", "[0, 64]"),
        ("cnn.width: [4, 8]", "cnn.widht: [4, 8]"),
        ("{name: tpe, startup_trials: 2}", "{name: random, startup_trials: 2}"),
        ("n_epochs: 3", "n_epochs: 2.5"),
        ("log: true", "logg: true"),
        ("space:", "constraints: {val_sensitivty: {at_least: 0.9}}\nspace:"),
    ],
)
def test_what_the_reader_refuses_the_schema_underlines(
    validator: Draft202012Validator, tmp_path: Path, old: str, new: str
) -> None:
    assert not problems(validator, tmp_path, EXPERIMENT)
    assert problems(validator, tmp_path, EXPERIMENT.replace(old, new))
