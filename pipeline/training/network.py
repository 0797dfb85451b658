"""The network of a configuration, for the images of a data set, and the description of a trained one."""

import torch
from torch import nn

from pipeline.artifacts.configuration import Configuration, split_flat
from pipeline.artifacts.json_file import JsonFile
from pipeline.artifacts.samples import Samples
from pipeline.core.seeds import derive_seed
from pipeline.models.registry import Architecture, Shapes, build_model, describe, start_model


class ModelDescription(Architecture, JsonFile):
    """model.json: what rebuilding a trained network and predicting with it take, besides its weights."""

    mean: list[float]
    """per channel, of the training images, on the scale of 0 to 255"""
    std: list[float]
    classes: list[str]
    positive: list[str]
    test_time_augmentation: str
    """versions of an image whose predictions are averaged: a value of `Training.test_time_augmentation`"""
    precision: str
    """number format of products in training and prediction"""


def image_shapes(samples: Samples) -> Shapes:
    """Return what a network for these samples maps."""
    _, height, width, channels = samples.images.shape
    return Shapes(channels, height, width, len(samples.info.classes))


def describe_network(config: Configuration, shapes: Shapes) -> Architecture:
    """Return the architecture that a configuration names."""
    training, options = split_flat(config)
    return describe(training["model"], options.get(training["model"].partition(":")[0], {}), shapes)


def build_network(config: Configuration, shapes: Shapes) -> nn.Module:
    """Return the network with random weights, drawn from torch's current generator.

    Raises InputError if it does not fit the images.
    """
    architecture = describe_network(config, shapes)
    return build_model(architecture.model, architecture.options, shapes)


def start_network(config: Configuration, shapes: Shapes, seed: int, *, device: str) -> nn.Module:
    """Return the network that a training starts from: random weights of this seed, or published ones."""
    architecture = describe_network(config, shapes)
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "weights"))
        network = start_model(architecture.model, architecture.options, shapes)
    return network.to(device).to(memory_format=torch.channels_last)
