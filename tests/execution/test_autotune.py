"""`workers: auto`: measured once, on all cores, and cached."""

from pathlib import Path

import pytest

from pipeline.artifacts.configuration import Configuration
from pipeline.core.files import read_json, write_json
from pipeline.execution.autotune import autotune, candidates
from pipeline.execution.settings import SearchSettings


@pytest.mark.parametrize(
    ("n_cores", "most_workers", "n_gpus", "expected"),
    [
        (1, 8, 0, [(1, 1)]),
        (2, 8, 0, [(2, 1), (1, 2)]),
        (2, 1, 0, [(1, 2)]),
        (16, 16, 0, [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)]),
        (16, 2, 0, [(2, 8), (1, 16)]),
        (6, 8, 0, [(6, 1), (3, 2), (1, 6)]),
        (16, 16, 1, [(4, 4), (2, 8), (1, 16)]),
        (64, 64, 8, [(32, 2), (16, 4), (8, 8)]),
    ],
)
def test_candidates_use_all(n_cores: int, most_workers: int, n_gpus: int, expected: list[tuple[int, int]]) -> None:
    assert candidates(n_cores, most_workers, n_gpus) == expected
    assert all(workers * threads <= n_cores for workers, threads in expected)


@pytest.mark.slow
def test_a_measurement_is_not_repeated(digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config: Configuration = {"model": "mlp", "mlp.width": 16, "lr": 0.01, "batch_size": 600, "n_epochs": 1}
    cache = tmp_path / "autotune.json"  # the training part has fewer steps than are timed

    def run() -> SearchSettings:
        settings = SearchSettings(workers="auto", limit_s=5)
        return autotune(settings, config, digits_folder / "development", cache=cache, most_workers=4)

    chosen = run()
    assert "epochs per hour" in capsys.readouterr().out
    known = read_json(cache)
    assert list(known.values()) == [{"workers": chosen.workers, "threads": chosen.threads}]
    assert chosen.limit_s == 5
    write_json(cache, {key: {"workers": 7, "threads": 3} for key in known})
    again = run()
    assert (again.workers, again.threads) == (7, 3)
    assert capsys.readouterr().out == ""
