"""The network of a configuration, for the images of a data set."""

from typing import Any

import torch
from torch import nn

from pipeline.artifacts.configuration import Configuration, split_flat
from pipeline.artifacts.samples import Samples
from pipeline.core.seeds import derive_seed
from pipeline.models.registry import Shapes, build_model, describe, start_model
from pipeline.training.device import channels_last


def image_shapes(samples: Samples) -> Shapes:
    """Return what a network for these samples maps."""
    _, height, width, channels = samples.images.shape
    return Shapes(channels, height, width, len(samples.info.classes))


def describe_network(config: Configuration, shapes: Shapes) -> dict[str, Any]:
    """Return the description from which the models' registry rebuilds the architecture."""
    training, options = split_flat(config)
    return describe(training["model"], options.get(training["model"].partition(":")[0], {}), shapes)


def build_network(config: Configuration, shapes: Shapes) -> nn.Module:
    """Return the network with random weights, drawn from torch's current generator.

    Raises InputError if it does not fit the images.
    """
    description = describe_network(config, shapes)
    return build_model(description["model"], description["options"], shapes)


def start_network(config: Configuration, shapes: Shapes, seed: int, *, device: str) -> nn.Module:
    """Return the network that a training starts from: random weights of this seed, or published ones."""
    description = describe_network(config, shapes)
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "weights"))
        network = start_model(description["model"], description["options"], shapes)
    return channels_last(network.to(device))
