"""split: groups dealt into train, val and test; the test part becomes an output of its own."""

from pipeline.datasets.splitting import split_dataset as run

__all__ = ["run"]
