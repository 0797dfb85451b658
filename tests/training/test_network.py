"""The network of a configuration: its shapes, and where its random weights come from."""

import torch

from pipeline.artifacts.samples import Samples
from pipeline.models.registry import Shapes
from pipeline.training.network import build_network, describe_network, image_shapes, start_network
from training_examples import CNN


def test_options_of_other_families_are_ignored(development: Samples) -> None:
    shapes = image_shapes(development)
    assert shapes == Shapes(1, 8, 8, 10)
    architecture = describe_network({**CNN, "mlp.depth": 3}, shapes)
    assert architecture == describe_network(CNN, shapes)
    assert architecture.options["width"] == 8


def test_random_weights_depend_on_the_seed_alone(development: Samples) -> None:
    shapes = image_shapes(development)
    first, again, other = (start_network(CNN, shapes, seed, device="cpu").state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert build_network(CNN, shapes).state_dict().keys() == first.keys()
