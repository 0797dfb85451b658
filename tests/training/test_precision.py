"""The number format of products, measured or given."""

import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.precision import fastest
from pipeline.training.trainer import Trainer
from training_examples import CNN


def test_the_fastest_format_that_agrees_is_taken_and_nothing_is_trained_by_trying(development: Samples) -> None:
    auto = Trainer({**CNN, "precision": "auto"}, development, seed=1)
    assert auto.description.precision in ("float32", "bfloat16")
    given = Trainer({**CNN, "precision": auto.description.precision}, development, seed=1)
    assert auto.n_done == 0
    next(auto.epochs())
    next(given.epochs())
    assert all(torch.equal(a, b) for a, b in zip(auto.model.parameters(), given.model.parameters(), strict=True))
    assert fastest({"float32": (3.0, 1.0), "bfloat16": (1.0, 1.2), "float16": (2.0, 1.01)}) == "float16"
    assert fastest({"float32": (1.0, 1.0), "bfloat16": (2.0, 1.0)}) == "float32"
