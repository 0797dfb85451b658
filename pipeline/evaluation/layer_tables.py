"""The networks of an experiment layer by layer."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.models.model_summary import summarise, summary_lines
from pipeline.training.network import build_network, image_shapes


def layer_tables(baseline: Configuration, development: Path, search: Path) -> Iterator[str]:
    """Yield lines of text for the baseline and, once `search` holds a result, for the winner.

    Raises PipelineError if a layer's output disagrees with the formula.
    """
    shapes = image_shapes(Samples.read(development))
    configs = {"baseline": baseline}
    if (search / "study.json").exists():
        configs["winner"] = SearchResult.read(search).winner
    for title, config in configs.items():
        network = build_network(config, shapes)
        size = f"{shapes.channels} x {shapes.height} x {shapes.width}"
        yield f"{title}: {config['model']}, {size} to {shapes.n_classes} classes"
        yield from summary_lines(list(summarise(network, shapes)), network)
