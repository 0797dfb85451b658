"""What a space holds, before anything is trained: its size, its corners built, a few draws with their cost."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, InputError, first_line
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.experiment.samplers.random import Random
from pipeline.experiment.space import SearchParameter, grid, n_combinations
from pipeline.models.layers import count_parameters
from pipeline.models.registry import Shapes, build_model
from pipeline.search.sampling import sample_parameters
from pipeline.training.device import device
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer

MAX_CORNERS = 4096
N_DRAWS = 5


def run(file: Path, development: Path, threads: int) -> None:
    """Prints it; threads: CPU threads of a training. Raises ConfigError with every corner that cannot be built."""
    prepare_process(threads)
    samples = Samples.read(development)
    experiment = read_experiment(file, samples.info)
    _, height, width, channels = samples.images.shape
    shapes = Shapes(channels, height, width, len(samples.info.classes))
    n = check_corners(file, experiment, shapes)
    first = "the first " if n > MAX_CORNERS else ""
    print(f"{experiment.name}: {size(experiment)}; {experiment.n_slots} trials; {first}{n} corners can be built")
    print(f"{'':>10} {'parameters':>12} {'~s/epoch':>9}  configuration (seconds: a few steps, measured now)")
    for name, config in draws(experiment):
        trainer = Trainer(config, samples, seed=0, device=device())
        varied = {key: value for key, value in config.items() if key not in experiment.fixed}
        told = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in varied.items())
        print(f"{name:>10} {count_parameters(trainer.model):>12,} {trainer.estimate_epoch_s():>9.2f}  {told}")


def size(experiment: Experiment) -> str:
    """Number of different draws, in words."""
    endless = [leaf.key for leaf in experiment.space if leaf.n_values is None]
    rest = tuple(leaf for leaf in experiment.space if leaf.key not in endless)
    combinations = f"{n_combinations(experiment.fixed, rest):,} combinations"
    return f"{combinations} x continuous {', '.join(endless)}" if endless else combinations


def draws(experiment: Experiment) -> Iterator[tuple[str, Configuration]]:
    """The baseline and a few random draws."""
    yield "baseline", experiment.baseline
    at_random = replace(experiment, sampler=Random(), variations=())
    for slot in range(1, N_DRAWS + 1):
        yield f"draw {slot}", own_options({**experiment.fixed, **sample_parameters(at_random, slot, ()).params})


def check_corners(file: Path, experiment: Experiment, shapes: Shapes) -> int:
    """Builds the baseline and every corner of the architecture, without memory for weights. Returns their number.

    A corner takes each choice, and the two ends of each range. Raises ConfigError with every one that does not fit.
    """
    problems: dict[str, None] = {}
    n = 0
    for config in corners(experiment):
        n += 1
        model = str(config["model"])
        own = {key: value for key, value in config.items() if "." in key}
        options = {key.partition(".")[2]: value for key, value in own.items()}
        try:
            with torch.device("meta"):
                network = build_model(model, options, shapes).eval()
                network(torch.empty(2, shapes.channels, shapes.height, shapes.width))
        except (InputError, RuntimeError, AssertionError) as error:
            told = ", ".join(f"{key}={value}" for key, value in {"model": model, **own}.items())
            problems[f"{file}: {told}: {first_line(error)}"] = None
    if problems:
        raise ConfigError(f"{file}: {len(problems)} of {n} corners of the space cannot be built", list(problems))
    return n


def corners(experiment: Experiment) -> Iterator[Configuration]:
    """The baseline, the variations, and the combinations of the ends of all leaves that shape a network."""
    yield experiment.baseline
    yield from (own_options({**experiment.baseline, key: value}) for key, value in experiment.variations)
    shaping = {leaf.key for leaf in experiment.space if leaf.key == "model" or "." in leaf.key}
    needed = set(shaping)
    for leaf in reversed(experiment.space):  # conditions name earlier leaves
        if leaf.key in needed:
            needed |= leaf.when.keys()
    leaves = tuple(_ends(leaf) for leaf in experiment.space if leaf.key in needed)
    for drawn in islice(grid(experiment.fixed, leaves), MAX_CORNERS):
        yield own_options({**experiment.fixed, **drawn})


def _ends(leaf: SearchParameter) -> SearchParameter:
    if leaf.choices:
        return leaf
    ends = (int(leaf.low), int(leaf.high)) if leaf.integer else (leaf.low, leaf.high)
    return SearchParameter(leaf.key, choices=ends, when=leaf.when)
