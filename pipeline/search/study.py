"""The studies on disk: one folder each under `.state/search`, named by all that its trials depend on.

A study is one of Optuna's journals, a file with one writer.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState, create_trial

from pipeline.core.errors import InputError
from pipeline.core.files import locked, read_json, write_json
from pipeline.core.provenance import digest
from pipeline.experiment.experiment import Experiment


class Journal(BaseJournalBackend):
    """The journal of a study whose lock this process holds.

    A line is handed to the operating system when it is written, so a killed process loses none; `sync` keeps them
    through a power cut too. The format is that of optuna's JournalFileBackend, which can read the file.
    """

    def __init__(self, path: Path) -> None:
        """Truncate the file at the first incomplete line: what a kill or a power cut left was never synced."""
        self._file = path.open("a+b")
        self._file.seek(0)
        self._logs, whole = [], 0
        for line in self._file:
            try:
                self._logs.append(json.loads(line if line.endswith(b"\n") else b""))
            except ValueError:
                break
            whole += len(line)
        self._file.truncate(whole)

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        self._logs += [json.loads(line) for line in lines]  # as they are read back later

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class OpenStudy:
    """A study whose lock this process holds."""

    optuna: "optuna.Study"
    folder: Path  # journal, checkpoints, lock
    journal: Journal

    @property
    def name(self) -> str:
        return self.folder.name


@contextmanager
def open_study(
    state: Path, experiment: Experiment, made_by: Mapping[str, str], *, fresh: bool = False, adopt: str | None = None
) -> Iterator[OpenStudy]:
    """Create or resume the study of this experiment, data, code and versions.

    Its name is `<experiment>@<hash>`, with `.2`, `.3` for those started with `fresh`. For a new one, print what differs
    from the last study of the experiment. adopt: name of another study whose finished trials the new one takes over.
    Raises BusyError if another process searches in it, InputError if there is nothing to adopt.
    """
    base = f"{experiment.name}@{digest([experiment.identity(), made_by])[:8]}"
    rests = [path.name.removeprefix(base) for path in state.glob(f"{base}*")]
    generations = [int(rest[1:] or 1) for rest in rests if re.fullmatch(r"(\.\d+)?", rest)]
    generation = max(generations, default=0 if fresh else 1) + (1 if fresh else 0)
    name = base if generation == 1 else f"{base}.{generation}"
    ours: dict[str, Any] = json.loads(json.dumps({**made_by, **experiment.identity()}, default=str))
    if adopt == name:
        raise InputError(f"{name} is the study itself: its finished trials are there; leave --adopt out to resume it")
    if adopt:
        _check_adoptable(state, adopt, experiment)
    with ExitStack() as held:
        held.enter_context(locked(study_lock(state, name), f"study {name}"))
        if adopt:
            held.enter_context(locked(study_lock(state, adopt), f"study {adopt}"))
        if not (state / name / "journal.log").exists():
            _print_difference(state, experiment.name, ours, name)
        study = held.enter_context(_opened(state / name))
        write_json(state / name / "made_by.json", ours)
        if adopt:
            _adopt(held.enter_context(_opened(state / adopt)), study)
        yield study


@contextmanager
def existing_study(state: Path, name: str) -> Iterator[OpenStudy]:
    """Open a study to read it. Raises InputError if it does not exist, BusyError if another process searches in it."""
    _check_exists(state, name, name.partition("@")[0])
    with locked(study_lock(state, name), f"study {name}"), _opened(state / name) as study:
        yield study


def study_lock(state: Path, name: str) -> Path:
    """Return the file that the process searching in the study locks."""
    return state / name / "lock"


@contextmanager
def _opened(folder: Path) -> Iterator[OpenStudy]:
    with closing(Journal(folder / "journal.log")) as journal:
        name, storage = folder.name, JournalStorage(journal)
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
        yield OpenStudy(study, folder, journal)
        journal.sync()


def _print_difference(state: Path, experiment: str, ours: Mapping[str, Any], name: str) -> None:
    earlier = sorted(state.glob(f"{experiment}@*/made_by.json"), key=lambda path: path.stat().st_mtime)
    if not earlier:
        return
    last = read_json(earlier[-1])
    changed = [key for key in ours if last.get(key) != ours[key]]
    why = f"changed: {', '.join(changed)}" if changed else "--fresh was given"
    print(f"{name} is a new study ({why}); {earlier[-1].parent.name} stays as it is")


def _check_adoptable(state: Path, other: str, experiment: Experiment) -> None:
    """Raise InputError unless space and seed are the same: else equal slots would mean different trials."""
    _check_exists(state, other, experiment.name)
    theirs, ours = read_json(state / other / "made_by.json"), json.loads(json.dumps(experiment.identity(), default=str))
    if keys := ", ".join(key for key in ours if theirs.get(key) != ours[key]):
        raise InputError(f"{other} cannot be adopted: it differs in {keys}; restore these values, or leave --adopt out")


def _check_exists(state: Path, name: str, experiment: str) -> None:
    if not (state / name / "made_by.json").exists():
        known = ", ".join(sorted(path.name for path in state.glob(f"{experiment}@*"))) or "none"
        raise InputError(f"there is no study {name!r} in {state}; those of {experiment} are: {known}")


def _adopt(other: OpenStudy, study: OpenStudy) -> None:
    """Take over what an earlier, interrupted call has not taken yet."""
    have = study.optuna.get_trials(deepcopy=False)
    taken = {t.user_attrs["adopted"][1] for t in have if t.user_attrs.get("adopted", [""])[0] == other.name}
    if have and not taken:
        again = f"adopt into a new study with --fresh --adopt {other.name}"
        raise InputError(f"{study.name} already has trials; {again}")
    ended = other.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    missing = [trial for trial in ended if trial.number not in taken]
    for trial in missing:
        copy = create_trial(
            state=trial.state, value=trial.value, params=trial.params, distributions=trial.distributions,
            user_attrs={**trial.user_attrs, "adopted": [other.name, trial.number]}, system_attrs=trial.system_attrs,
            intermediate_values=trial.intermediate_values,
        )  # fmt: skip
        copy.datetime_start, copy.datetime_complete = trial.datetime_start, trial.datetime_complete
        study.optuna.add_trial(copy)
    print(f"{study.name} adopted {len(missing)} trials of {other.name}")
