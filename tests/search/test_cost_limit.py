"""The limit of cost: relative to the slowest given configuration, by images that an epoch draws."""

from pathlib import Path

from pipeline.artifacts.samples import Samples
from pipeline.experiment.reader import read_experiment
from pipeline.search.cost_limit import limit_of_cost

EXPERIMENT = """
question: How wide?
dataset: digits
trials: 5
{limit}
sampler: {{name: {sampler}}}
fixed: {{n_epochs: 6, lr: 0.1, batch_size: 32}}
baseline: {{model: cnn, cnn.width: 16}}
space:
  model: [cnn]
  cnn.width: [8, 16, 32]
"""


def test_the_slowest_given_configuration_is_the_measure(tmp_path: Path, digits_folder: Path) -> None:
    samples = Samples.read(digits_folder / "development")

    def is_affordable(limit: str, sampler: str = "random", **changes: float) -> bool:
        file = tmp_path / "digits.yaml"
        file.write_text(EXPERIMENT.format(limit=limit, sampler=sampler))
        experiment = read_experiment(file, digits_folder / "development")
        return limit_of_cost(experiment, samples)({**experiment.baseline, **changes})

    assert is_affordable("max_cost: 1")
    assert not is_affordable("max_cost: 1", **{"cnn.width": 32})
    assert not is_affordable("max_cost: 1", batch_size=16)  # more steps
    assert not is_affordable("max_cost: 1", n_epochs=7)
    assert is_affordable("max_cost: 1.5", n_epochs=7)
    assert is_affordable("", **{"cnn.width": 32})
    assert is_affordable("max_cost: 1", "grid", **{"cnn.width": 32})  # a grid is tried as a whole
    known = "enqueue: [{model: cnn, cnn.width: 32}]"
    assert is_affordable(f"max_cost: 1\n{known}", **{"cnn.width": 32})


def test_fewer_images_per_unit_allow_more_epochs(tmp_path: Path, digits_folder: Path) -> None:
    samples = Samples.read(digits_folder / "development")
    samples.table["group"] = samples.table.groupby("part").cumcount() // 4  # as patients of four slices
    file = tmp_path / "digits.yaml"
    file.write_text(EXPERIMENT.format(limit="max_cost: 1", sampler="random"))
    experiment = read_experiment(file, digits_folder / "development")
    is_affordable = limit_of_cost(experiment, samples)
    assert is_affordable({**experiment.baseline, "images_per_unit": 2, "n_epochs": 12})
    assert not is_affordable({**experiment.baseline, "images_per_unit": 2, "n_epochs": 14})
