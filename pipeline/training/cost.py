"""What a training costs, estimated from its configuration alone: equal on every machine, so that searches repeat."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.yaml_document import Scalar
from pipeline.models.registry import Shapes
from pipeline.training.network import build_network, image_shapes

# seconds of one CPU core, fitted to measured epochs within a factor of about two
OPERATION_S = 1.2e-11  # a multiplication and an addition, forward and back (bfloat16 and float32 alike)
VALUE_S = 4e-9  # an output value of a layer: mostly memory traffic
INPUT_S = 1.6e-8  # a value of an image: read, normalised, augmented
LAYER_S = 1.5e-4  # a layer in a step, however small
MUON_S = 6e-4  # a convolution that muon makes orthogonal, in a step


def images_per_epoch(config: Configuration, samples: Samples) -> int:
    """Return how many images of train an epoch has: at most `images_per_unit` of each unit."""
    per_unit = samples.table[samples.table["part"] == "train"].groupby("group").size()
    return int(per_unit.clip(upper=int(config.get("images_per_unit") or per_unit.max())).sum())


def estimate_training_s(config: Configuration, samples: Samples) -> float:
    """Return the seconds that a full training takes on one CPU core, roughly.

    Raises InputError if the network does not fit the images.
    """
    shapes, n_images = image_shapes(samples), images_per_epoch(config, samples)
    shaping = {key: value for key, value in config.items() if key == "model" or "." in key}
    operations, values, layers, convolutions = _network(tuple(sorted(shaping.items())), shapes)
    n_epochs, batch = int(config["n_epochs"]), min(int(config["batch_size"]), n_images)
    n_steps, n_inputs = n_epochs * (n_images // batch), shapes.channels * shapes.height * shapes.width
    per_image = OPERATION_S * operations + VALUE_S * values + INPUT_S * n_inputs
    per_step = LAYER_S * layers + (MUON_S * convolutions if config.get("optimizer") == "muon" else 0)
    return n_epochs * n_images * per_image + n_steps * per_step


@lru_cache(maxsize=1024)
def _network(shaping: tuple[tuple[str, Scalar], ...], shapes: Shapes) -> tuple[float, int, int, int]:
    """Return multiply-adds and output values for one image, the number of layers, and that of convolutions."""
    values, layers = 0, 0

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal values, layers
        if isinstance(output, Tensor):
            values += output[0].numel()
            layers += 1

    with torch.device("meta"), torch.no_grad():
        network = build_network(dict(shaping), shapes).eval()
        for module in network.modules():
            if not any(module.children()):
                module.register_forward_hook(note)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, shapes.channels, shapes.height, shapes.width))
    n_convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    return counter.get_total_flops() / 2, values, layers, n_convolutions
