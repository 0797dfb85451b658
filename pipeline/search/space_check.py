"""What a space holds, before anything is trained: its size, its corners, and a few sampled trials with their cost."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError
from pipeline.execution.autotune import measure_cost, problem_of_network
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.samplers.optuna import Random
from pipeline.experiment.space import SearchParameter, grid, n_combinations
from pipeline.search.cost_limit import IsAffordable, limit_of_cost
from pipeline.search.sampling import sample_parameters

MAX_CORNERS = 4096
N_SAMPLED = 5


def check_space(file: Path, development: Path, threads: int) -> Iterator[str]:
    """Yield lines of text. threads: CPU threads of a training.

    Raises ConfigError with every problem of the file, or with every corner that cannot be built.
    """
    samples = Samples.read(development)
    experiment = read_experiment(file, development)
    n = check_corners(file, experiment, samples)
    first = "the first " if n > MAX_CORNERS else ""
    yield f"{experiment.name}: {size(experiment)}; {experiment.n_slots} trials; {first}{n} corners can be built"
    yield f"{'':>10} {'parameters':>12} {'~s/epoch':>9}  configuration (seconds: a few steps, measured now)"
    for name, config in sampled(experiment, limit_of_cost(experiment, samples)):
        n_parameters, epoch_s = measure_cost(config, samples, threads)
        varied = {key: value for key, value in config.items() if key not in experiment.fixed}
        text = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in varied.items())
        yield f"{name:>10} {n_parameters:>12,} {epoch_s:>9.2f}  {text}"


def size(experiment: Experiment) -> str:
    """Return the number of different trials that can be sampled, in words."""
    continuous = [parameter.key for parameter in experiment.space if parameter.n_values is None]
    rest = tuple(parameter for parameter in experiment.space if parameter.key not in continuous)
    combinations = f"{n_combinations(experiment.fixed, rest):,} combinations"
    return f"{combinations} x continuous {', '.join(continuous)}" if continuous else combinations


def sampled(experiment: Experiment, is_affordable: IsAffordable) -> Iterator[tuple[str, Configuration]]:
    """Yield name and configuration of the baseline and of a few random samples."""
    yield "baseline", experiment.baseline
    at_random = experiment.model_copy(update={"sampler": Random()})
    for slot in range(experiment.first_sampled, experiment.first_sampled + N_SAMPLED):
        yield (
            f"sample {slot}",
            experiment.configuration(sample_parameters(at_random, slot, (), (), is_affordable).params),
        )


def check_corners(file: Path, experiment: Experiment, samples: Samples) -> int:
    """Build the baseline and every corner of the architecture, without memory for weights; return their number.

    Raises ConfigError with every one that does not fit the images.
    """
    problems: dict[str, None] = {}  # in order, each once
    n = 0
    for config in corners(experiment):
        n += 1
        if problem := problem_of_network(config, samples):
            shaping = {"model": config["model"], **{key: value for key, value in config.items() if "." in key}}
            text = ", ".join(f"{key}={value}" for key, value in shaping.items())
            problems[f"{file}: {text}: {problem}"] = None
    if problems:
        raise ConfigError(f"{file}: {len(problems)} of {n} corners of the space cannot be built", list(problems))
    return n


def corners(experiment: Experiment) -> Iterator[Configuration]:
    """Yield the baseline, the variations, and the combinations of the ends of all parameters that shape a network.

    The ends are each choice, and both ends of each range.
    """
    yield experiment.baseline
    yield from (own_options({**experiment.baseline, key: value}) for key, value in experiment.variations)
    needed = {parameter.key for parameter in experiment.space if parameter.key == "model" or "." in parameter.key}
    for parameter in reversed(experiment.space):  # conditions name earlier parameters
        if parameter.key in needed:
            needed |= parameter.when.keys()
    ends = tuple(_ends(parameter) for parameter in experiment.space if parameter.key in needed)
    for combination in islice(grid(experiment.fixed, ends), MAX_CORNERS):
        yield own_options({**experiment.fixed, **combination})


def _ends(parameter: SearchParameter) -> SearchParameter:
    if parameter.choices:
        return parameter
    ends = parameter.low, parameter.high
    choices = tuple(int(end) for end in ends) if parameter.integer else ends
    return SearchParameter(key=parameter.key, choices=choices, when=parameter.when)
