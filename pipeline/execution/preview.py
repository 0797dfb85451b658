"""What a configuration takes, before it is trained."""

import torch

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import InputError, first_line
from pipeline.training.device import device
from pipeline.training.network import build_network, image_shapes
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer


def measure_cost(config: Configuration, samples: Samples, threads: int) -> tuple[int, float]:
    """Return trainable parameters and seconds per epoch with this number of CPU threads, estimated from a few steps."""
    prepare_process(threads)
    trainer = Trainer(config, samples, seed=0, device=device())
    return trainer.n_parameters, trainer.estimate_epoch_s()


def problem_of_network(config: Configuration, samples: Samples) -> str | None:
    """Return why the network cannot be built for these images, None if it can; needs no memory for its weights."""
    shapes = image_shapes(samples)
    try:
        with torch.device("meta"):
            network = build_network(config, shapes).eval()
            network(torch.empty(2, shapes.channels, shapes.height, shapes.width))
    except (InputError, RuntimeError, AssertionError) as error:
        return first_line(error)
    return None
