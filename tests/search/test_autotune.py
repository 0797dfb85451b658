"""`workers: auto`: measured once, together all cores, and taken as it is from then on."""

from pathlib import Path

import pytest

from pipeline.core.files import read_json, write_json
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.file import read_experiment
from pipeline.search.autotune import choose_layout, layouts


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
def test_layouts_use_all_cores(n_cores: int, most_workers: int, n_gpus: int, expected: list[tuple[int, int]]) -> None:
    assert layouts(n_cores, most_workers, n_gpus) == expected
    assert all(workers * threads <= n_cores for workers, threads in expected)


@pytest.mark.slow
def test_what_was_measured_is_taken_as_it_is(
    experiment_file: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few_steps = experiment_file.read_text().replace("n_epochs: 3", "n_epochs: 1").replace("[32, 64]", "[600, 800]")
    experiment_file.write_text(few_steps)  # in all fewer than are timed
    experiment, remembered = read_experiment(experiment_file), tmp_path / "layouts.json"
    settings = SearchSettings(workers="auto", limit_s=5)
    given = settings, experiment, digits_folder / "development", remembered
    chosen = choose_layout(*given)
    assert "epochs per hour" in capsys.readouterr().out
    known = read_json(remembered)
    assert list(known.values()) == [{"workers": chosen.workers, "threads": chosen.threads}]
    assert chosen.limit_s == 5
    write_json(remembered, {key: {"workers": 7, "threads": 3} for key in known})
    again = choose_layout(*given)
    assert (again.workers, again.threads) == (7, 3)
    assert capsys.readouterr().out == ""
