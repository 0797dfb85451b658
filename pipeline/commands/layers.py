"""Show the layers of baseline and winner with their output shapes and parameters."""

from pathlib import Path

from pipeline.evaluation.layer_tables import layer_tables
from pipeline.experiment.file import read_experiment


def run(file: Path, development: Path, search: Path) -> None:
    """Print one table per network. Raises PipelineError if a layer's output disagrees with the formula."""
    experiment = read_experiment(file, development)
    for line in layer_tables(experiment.baseline, development, search):
        print(line)
