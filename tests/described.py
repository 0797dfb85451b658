"""Files of data sets, written for a test."""

from pathlib import Path

from ruamel.yaml import YAML

from pipeline.datasets.description import Dataset, read_dataset

ROOT = Path(__file__).parents[1]


def describe(root: Path, name: str, **keys: object) -> Dataset:
    """Write data/<name>.yaml with these keys below `root`, and read it."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    with (root / "data" / f"{name}.yaml").open("w") as f:
        YAML().dump(keys, f)
    return read_dataset(root, name)


def of_project(name: str) -> Dataset:
    """Return a data set of the project."""
    return read_dataset(ROOT, name)
