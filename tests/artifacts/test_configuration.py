"""Flat configurations."""

from pipeline.artifacts.configuration import split_flat


def test_flat_configuration_splits_into_training_and_model_options() -> None:
    training, options = split_flat({"lr": 0.1, "cnn.width": 8, "mlp.depth": 2, "cnn.kernel": 5})
    assert training == {"lr": 0.1}
    assert options == {"cnn": {"width": 8, "kernel": 5}, "mlp": {"depth": 2}}
