"""Peak memory of a training process, for the largest networks of each experiment."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.generated import Shape, write_development
from benchmarks.measurement import Row
from benchmarks.trained_process import STATUS
from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DEVELOPMENT, DatasetInfo
from pipeline.core.yaml_document import Scalar
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.params import read_params

TARGET_GB = 1.5


def rows(root: Path) -> Iterator[Row]:
    """Yield a row per experiment of params.yaml. root: of the repository."""
    if not STATUS.is_file():
        print(f"Memory is not measured: it is read from {STATUS}, which only Linux has")
        return
    params = read_params(root / "params.yaml")
    for name, dataset in params.experiments.items():
        n, shape = development_size(root, dataset)
        configs = heaviest(read_experiment(root / f"experiments/{name}.yaml"))
        with TemporaryDirectory() as folder:
            peak_gb = peak(configs, write_development(Path(folder), n, shape))
        title = f"peak memory of training {name}"
        yield Row(title, peak_gb, reference=TARGET_GB, unit="GB", aim="at most", target=1)


def development_size(root: Path, dataset: str) -> tuple[int, Shape]:
    """Return the number of images in train and val, and their shape. Raises DataError if the data set is not split."""
    info = DatasetInfo.read(Layout(root).development(dataset) / "dataset.json")
    return sum(info.parts[part].images for part in DEVELOPMENT), info.image_shape


def peak(configs: Sequence[Configuration], development: Path) -> float:
    """Return the peak, in GB, of a new process that trains the configurations one after the other."""
    command = [sys.executable, "-m", "benchmarks.trained_process", str(development), json.dumps(configs)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)  # noqa: S603


def heaviest(experiment: Experiment) -> list[Configuration]:
    """Return the baseline, and for each model of the space the configuration with the largest values."""
    models = [parameter.choices for parameter in experiment.space if parameter.key == "model"]
    configs = [experiment.baseline]
    for model in models[0] if models else [experiment.fixed["model"]]:
        config = {**experiment.fixed, "model": model}
        for parameter in experiment.space:
            if parameter.key != "model" and parameter.active(config):
                choices = parameter.choices
                config[parameter.key] = max(choices, key=_magnitude) if choices else parameter.high
        configs.append(own_options(config))
    return configs


def _magnitude(value: Scalar) -> float:
    return 0.0 if isinstance(value, str) else float(value)
