"""Train a few steps with each given configuration, as a worker does, and print the peak memory of the process in GB.

Arguments: the development folder, and the configurations as a JSON list. It imports little more than a worker does.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.training.prediction import predict
from pipeline.training.process import device, prepare_process
from pipeline.training.trainer import Trainer

N_STEPS = 3
STATUS = Path("/proc/self/status")


def train(configs: Sequence[Configuration], development: Path) -> float:
    """Return the peak of this process in GB."""
    prepare_process(threads=1)
    samples = Samples.read(development)
    for config in configs:
        _train(config, samples)
    # the peak of getrusage survives exec, so it may be that of the parent process
    values = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(values["VmHWM"].removesuffix("kB")) * 1024 / 1e9


def _train(config: Configuration, samples: Samples) -> None:
    """Train a few steps and predict all of `val`; a function of its own, so that the trainer is freed."""
    trainer = Trainer(config, samples, 1, device())
    trainer.estimate_epoch_s(N_STEPS)
    predict(trainer.trained, trainer.description, trainer.validation.images)


if __name__ == "__main__":
    print(train(json.loads(sys.argv[2]), Path(sys.argv[1])))
