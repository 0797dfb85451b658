"""What the history of the repository shows about a result: who scored its test part before, and its registration."""

import re
from pathlib import Path

from pydantic import ValidationError

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.registration import Registration
from pipeline.artifacts.runs import EvaluationRuns, Ledger, Version
from pipeline.artifacts.samples import DatasetInfo
from pipeline.artifacts.search_result import StudyInfo
from pipeline.core.errors import ConfigError
from pipeline.core.history import commits, text_at
from pipeline.core.yaml_document import read_yaml

SCORES = "reports/*/metrics.json"  # written by `report`, in git


def with_history(runs: EvaluationRuns, root: Path, study: StudyInfo, dataset: DatasetInfo) -> EvaluationRuns:
    """Return the runs of an evaluation with what the history shows."""
    return runs.model_copy(update={"ledger": ledger(root, dataset), "registered": registered(root, study)})


def ledger(root: Path, dataset: DatasetInfo) -> Ledger | None:
    """Return which published versions scored the test part of a data set, in any experiment.

    dvc.lock of a version names the data set of an experiment and the split seed that drew its parts.
    """
    published = commits(root, SCORES)
    if published is None:
        return None
    versions, seeds = [], set()
    for commit in published:
        lock = text_at(root, commit.hash, "dvc.lock")
        evaluated = [_entry(lock, f"evaluate@{Path(file).parent.name}") for file in commit.files]
        if not any(f"path: data/split/{dataset.name}/test\n" in entry for entry in evaluated):
            continue
        drawn = re.search(r"^ +seed: (\d+)$", _entry(lock, f"split@{dataset.name}"), re.MULTILINE)
        seed = None if dataset.keeps_official_test else int(drawn[1]) if drawn else 1  # the default of `split`
        seeds.add(seed)
        if seed == dataset.split_seed:
            versions.append(Version(commit=commit.hash, date=commit.date))
    return Ledger(split_seed=dataset.split_seed, earlier=versions, n_parts=len(seeds))


def _entry(lock: str, stage: str) -> str:
    """Return the lines of a stage in dvc.lock."""
    entry = re.search(rf"^  {re.escape(stage)}:\n((?:    .*\n)+)", lock, re.MULTILINE)
    return entry[1] if entry else ""


def registered(root: Path, study: StudyInfo) -> Version | None:
    """Return the commit since which the experiment file has held the registration as it is.

    None without a registration, if it is not committed, or where the history is not known whole.
    """
    if study.registration is None:
        return None
    file = Layout().experiment_file(study.experiment)
    since = None
    for commit in commits(root, file.as_posix()) or []:
        if _registration(file, text_at(root, commit.hash, file.as_posix())) != study.registration:
            since = None
        elif since is None:
            since = Version(commit=commit.hash, date=commit.date)
    return since


def _registration(file: Path, text: str) -> Registration | None:
    try:
        return Registration.model_validate(read_yaml(file, text).values.get("registration"))
    except (ConfigError, ValidationError):
        return None
