"""TODO commands.layers."""

from pathlib import Path

from pipeline.artifacts.configuration import Configuration, split_flat
from pipeline.artifacts.samples import Samples
from pipeline.core.yaml_document import read_yaml
from pipeline.experiment.file import read_experiment
from pipeline.models.model_summary import layers, table
from pipeline.models.registry import Shapes, build_model


def run(file: Path, development: Path, search: Path) -> None:
    """Prints the baseline and, where `search` holds one, the winner. Raises PipelineError if the formula fails."""
    samples = Samples.read(development)
    experiment = read_experiment(file, samples.info)
    _, height, width, channels = samples.images.shape
    shapes = Shapes(channels, height, width, len(samples.info.classes))
    found = search / "best.yaml"
    winner: dict[str, Configuration] = {"winner": read_yaml(found).check()["winner"]} if found.exists() else {}
    for title, config in {"baseline": experiment.baseline, **winner}.items():
        training, options = split_flat(config)
        model = build_model(training["model"], options.get(training["model"].partition(":")[0], {}), shapes)
        print(f"{title}: {training['model']}, {channels} x {height} x {width} to {shapes.n_classes} classes")
        print("\n".join(table(list(layers(model, shapes)), model)))
