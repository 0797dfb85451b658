"""prepare: packed files → one array and one table in canonical order, duplicates grouped."""

from pipeline.datasets.preparation import prepare_dataset as run

__all__ = ["run"]
