"""Experiments on the digits and finished trials, for tests of samplers and pruners."""

from pathlib import Path

from optuna.trial import FrozenTrial, create_trial

from conftest import EXPERIMENT
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.sampling import SampledParameters


def experiment(
    tmp_path: Path, sampler: str = "{name: tpe}", pruner: str = "{name: none}", **changes: str
) -> Experiment:
    text = EXPERIMENT.replace("{name: tpe, startup_trials: 2}", sampler)
    text = text.replace("{name: median, startup_trials: 1, warmup: 0.3}", pruner)
    for old, new in changes.items():
        text = text.replace(old, new)
    path = tmp_path / "quick.yaml"
    path.write_text(text)
    return read_experiment(path)


def finished(sampled: SampledParameters, slot: int, score: float, n_epochs: int = 10) -> FrozenTrial:
    """Return a finished trial as the coordinator stores it."""
    attrs = {"slot": slot, "role": "search", "config": {"n_epochs": n_epochs}, "sampler": dict(sampled.memory)}
    curve = {epoch: score * epoch / n_epochs for epoch in range(1, n_epochs + 1)}
    return create_trial(
        value=score, params=dict(sampled.params), distributions=dict(sampled.distributions), user_attrs=attrs,
        intermediate_values=curve,
    )  # fmt: skip
