"""Peak memory of a process that trains, as the workers of a search do.

Each experiment has a process of its own, which starts with this module and imports little more than a worker does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import Samples
from pipeline.core.yaml_document import Scalar
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.training.device import device
from pipeline.training.prediction import predict
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer

TARGET_GB = 1.5
N_STEPS = 3
STATUS = Path("/proc/self/status")
SIZES = {  # data set -> images of its development part, and their channels; their side stands in params.yaml
    "digits": (1500, 1),
    "mnist": (60_000, 1),
    "cifar10": (50_000, 3),
    "brain_mri": (3900, 1),
    "brain_mri_types": (2800, 1),
}


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
        side, (n, channels) = params.prepare[dataset].image_px, SIZES[dataset]
        configs = heaviest(read_experiment(root / f"experiments/{name}.yaml"))
        with TemporaryDirectory() as folder:
            yield name, peak(configs, write_pictures(Path(folder), n, (side, side, channels)))


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
