"""The best configurations of an earlier study, which `search --from` enqueues in another one."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import SearchRuns
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import read_json
from pipeline.core.yaml_document import Scalar
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.selection import best_trial, competing
from pipeline.search.study import existing_study
from pipeline.search.trials import ended_trials

Entry = Mapping[str, Scalar]  # of `enqueue`


def study_of(layout: Layout, name: str, experiment: str) -> str:
    """Return a study as it is named, or the one that the search of another experiment wrote last."""
    if "@" in name:
        return name
    if name == experiment:
        studies = f"`ls .state/search` lists {experiment}@…"
        raise InputError(f"--from {name} would mean another study after each search; name one: {studies}")
    return SearchRuns.read(layout.search_runs(name)).study


def enqueue_best(file: Path, development: Path, state: Path, study: str) -> tuple[Experiment, list[Entry]]:
    """Return the experiment of a file with the best of each family of a study enqueued too, and these as entries.

    They are trained on top of `trials`; those that the file enqueues already are left out. state: folder of the
    studies. Raises ConfigError if one does not fit the file, InputError if the study has no complete trial, BusyError
    while another process searches in it.
    """
    experiment = read_experiment(file, development)
    entries: list[Entry] = []
    for config in best_of_families(state, study):
        own = {key: value for key, value in config.items() if experiment.fixed.get(key) != value}
        if own_options({**experiment.fixed, **own}) not in experiment.enqueued:
            entries.append({"from": study, **own})
    try:
        return read_experiment(file, development, entries), entries
    except ConfigError as error:
        what = f"the best configurations of {study} do not fit {file}"
        how = "set the keys that they lack in `fixed`, or leave --from out and enqueue what fits"
        raise ConfigError(f"{what}; {how}", error.problems) from None


def best_of_families(state: Path, study: str) -> list[Configuration]:
    """Return the best complete configuration of each family of a study, the best family first; no references."""
    with existing_study(state, study) as opened:
        trials = competing(ended_trials(opened.optuna))
    fidelity = read_json(state / study / "made_by.json").get("fidelity")
    families = defaultdict(list)
    for trial in trials:
        if trial.rungs or not fidelity:  # others than at the last rung are not comparable
            families[trial.config[fidelity["stratify"] if fidelity else "model"]].append(trial)
    if not families:
        raise InputError(f"{study} has no complete trial to enqueue; let its search end, or leave --from out")
    best = [best_trial(family) for family in families.values()]
    best.sort(key=lambda trial: (trial.violation, -(trial.score or 0.0), trial.slot))
    return [trial.config for trial in best]


def to_paste(file: Path, experiment: Experiment, study: str, entries: list[Entry]) -> str:
    """Return what to write into the file, so that a search without --from has the same trials."""
    if not entries:
        return f"{file} enqueues the best configurations of {study} already; --from adds none"
    lines = [
        f"{len(entries)} configurations of {study} are enqueued, on top of the trials of {file}. `dvc repro` does not "
        "know them; write them into the file, and the search has the same trials without --from:",
        f"trials: {experiment.trials}",
        "enqueue: # after those that are there",
    ]
    for entry in entries:
        values = ", ".join(f"{key}: {json.dumps(value)}" for key, value in entry.items())
        lines.append(f"  - {{{values}}}")
    return "\n".join(lines)
