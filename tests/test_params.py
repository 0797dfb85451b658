"""params.yaml: valid as it is, and problems reported with their lines."""

from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.params import read_params

ROOT = Path(__file__).parent.parent


def test_the_params_of_the_project_are_valid() -> None:
    params = read_params(ROOT / "params.yaml")
    assert set(params.experiments.values()) <= set(params.datasets)


def test_all_problems_of_params_are_reported_at_once(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("timeout_s: 30", "timeout_s: -1").replace("n_seeds: auto", "n_seed: 5")
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
