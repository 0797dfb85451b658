"""Peak memory of a process that trains, as the workers of a search do.

Each experiment has a process of its own, which starts with this module and imports little more than a worker does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import Samples
from pipeline.core.yaml_document import Scalar
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.training.device import device
from pipeline.training.prediction import predict
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer

if TYPE_CHECKING:
    from pipeline.datasets.registry import DatasetSpec
    from pipeline.params import DatasetSettings

TARGET_GB = 1.5
N_STEPS = 3
STATUS = Path("/proc/self/status")


def peaks(root: Path) -> Iterator[tuple[str, float]]:
    """Of each experiment of params.yaml, in GB; prints why there are none. root: of the repository."""
    # not above: the process that is measured imports this module, and would import MLflow and Optuna
    from benchmarks.search_overhead import write_pictures
    from pipeline.params import read_params

    if not STATUS.is_file():
        print(f"Memory is not measured: it is read from {STATUS}, which only Linux has")
        return
    params = read_params(root / "params.yaml")
    for name, dataset in params.experiments.items():
        n, shape = development_size(dataset, params.datasets[dataset])
        configs = heaviest(read_experiment(root / f"experiments/{name}.yaml"))
        with TemporaryDirectory() as folder:
            yield name, peak(configs, write_pictures(Path(folder), n, shape))


def development_size(dataset: str, settings: "DatasetSettings") -> tuple[int, tuple[int, int, int]]:
    """Return the number of images in train and val, before any are dropped, and their shape (H, W, C)."""
    from pipeline.datasets.registry import find_spec

    spec = find_spec(dataset)
    px = settings.prepare.image_px
    return round(published_images(spec) * (1 - settings.split.test)), spec.native_shape or (px, px, 1)


def published_images(spec: "DatasetSpec") -> int:
    """Return the number of published images, without those of an official test part that is kept."""
    parts = spec.published.n_images.items()
    return sum(n for part, n in parts if not (spec.keeps_official_test and part == "test"))


def peak(configs: Sequence[Configuration], development: Path) -> float:
    """Of a new process that trains the configurations one after the other, in GB."""
    command = [sys.executable, "-m", "benchmarks.memory", str(development), json.dumps(configs)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)  # noqa: S603


def heaviest(experiment: Experiment) -> list[Configuration]:
    """The baseline, and of each model that is drawn the configuration whose other leaves are at their largest."""
    drawn = [leaf.choices for leaf in experiment.space if leaf.key == "model"]
    found = [experiment.baseline]
    for model in drawn[0] if drawn else [experiment.fixed["model"]]:
        config = {**experiment.fixed, "model": model}
        for leaf in experiment.space:
            if leaf.key != "model" and leaf.active(config):
                config[leaf.key] = max(leaf.choices, key=_size) if leaf.choices else leaf.high
        found.append(own_options(config))
    return found


def _size(value: Scalar) -> float:
    return 0.0 if isinstance(value, str) else float(value)  # words weigh alike


def train(configs: Sequence[Configuration], development: Path) -> float:
    """Trains a little with each, as a worker does; returns the peak of this process, in GB."""
    prepare_process(threads=1)
    samples = Samples.read(development)
    for config in configs:
        _train(config, samples)
    # getrusage would not do: its peak outlives exec, so that a process begins with that of its parent
    values = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(values["VmHWM"].removesuffix("kB")) * 1024 / 1e9


def _train(config: Configuration, samples: Samples) -> None:
    """A few steps and a whole check on `val`; nothing of it is left for the next."""
    trainer = Trainer(config, samples, 1, device())
    trainer.estimate_epoch_s(N_STEPS)
    predict(trainer.trained, trainer.description, trainer.validation.images)


if __name__ == "__main__":
    print(train(json.loads(sys.argv[2]), Path(sys.argv[1])))
