"""Check an experiment file and show what its space holds; nothing is trained."""

from pathlib import Path

from pipeline.search.space_check import check_space


def run(file: Path, development: Path, threads: int) -> None:
    """Print size, corners and sampled trials. Raises ConfigError with every corner that cannot be built."""
    for line in check_space(file, development, threads):
        print(line)
