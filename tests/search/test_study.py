"""A study resumes until something that its trials depend on changes, which is then printed."""

import os
from contextlib import closing
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from conftest import EXPERIMENT
from pipeline.core.errors import BusyError, InputError
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.study import Journal, open_study

MADE_BY = {"data": "d1", "code": "c1"}


def experiment(tmp_path: Path, old: str = "", new: str = "") -> Experiment:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT.replace(old, new))
    return read_experiment(path)


def name(tmp_path: Path, settings: Experiment, made_by: dict[str, str] = MADE_BY, **options: object) -> str:
    with open_study(tmp_path / "state", settings, made_by, **options) as study:  # type: ignore[arg-type]
        return study.name


def test_two_searches_of_one_study_exclude_each_other(tmp_path: Path) -> None:
    settings = experiment(tmp_path)
    with (
        open_study(tmp_path, settings, MADE_BY) as study,
        pytest.raises(BusyError, match=f"study {study.name} is in use by process {os.getpid()}"),
        open_study(tmp_path, settings, MADE_BY),
    ):
        pass
    with open_study(tmp_path, settings, MADE_BY) as study:
        assert not study.optuna.trials


@pytest.mark.parametrize(
    ("old", "new", "made_by", "why"),
    [
        ("[4, 8]", "[4, 16]", MADE_BY, "space"),
        ("seed: 3", "seed: 4", MADE_BY, "seed"),
        ("", "", {**MADE_BY, "data": "d2"}, "data"),
        ("", "", {**MADE_BY, "code": "c2"}, "code"),
        ("{name: median,", "{name: median, warmup: 0.5,", MADE_BY, None),
        ("objective: accuracy", "objective: macro_f1", {**MADE_BY, "code": "c2"}, "code, objective"),
    ],
)
def test_what_changed_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, made_by: dict[str, str], why: str | None
) -> None:
    first = name(tmp_path, experiment(tmp_path))
    assert capsys.readouterr().out == ""
    if why is None:
        old, new, why = ", warmup: 0.3}", ", warmup: 0.5}", "pruner"
    second = name(tmp_path, experiment(tmp_path, old, new), made_by)
    assert capsys.readouterr().out == f"{second} is a new study (changed: {why}); {first} stays as it is\n"
    assert first != second
    assert name(tmp_path, experiment(tmp_path)) == first


def test_question_registration_and_number_of_trials_keep_the_study(tmp_path: Path) -> None:
    first = name(tmp_path, experiment(tmp_path))
    assert name(tmp_path, experiment(tmp_path, "trials: 5", "trials: 50")) == first
    assert name(tmp_path, experiment(tmp_path, "reads digits best?", "reads them well?")) == first
    registration = "registration: {primary: accuracy, smallest_difference: 0.01}"
    registered = experiment(tmp_path, "objective:", f"{registration}\nobjective:")
    assert registered.registration
    assert name(tmp_path, registered) == first


def test_fresh_starts_another_study_that_is_resumed_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = experiment(tmp_path)
    first = name(tmp_path, settings)
    assert name(tmp_path, settings, fresh=True) == f"{first}.2"
    assert "--fresh was given" in capsys.readouterr().out
    assert name(tmp_path, settings) == f"{first}.2"
    assert name(tmp_path, settings, fresh=True) == f"{first}.3"
    assert name(tmp_path, settings) == f"{first}.3"


def test_adopting_takes_the_finished_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = experiment(tmp_path)
    with open_study(tmp_path / "state", settings, MADE_BY) as study:
        study.optuna.add_trial(create_trial(value=0.5, user_attrs={"slot": 0}))
        study.optuna.ask()
        other = study.name
    changed = {**MADE_BY, "code": "c2"}
    for n_new in (1, 0):  # again, as after an interruption
        with open_study(tmp_path / "state", settings, changed, adopt=other) as study:
            adopted = [(t.value, t.user_attrs) for t in study.optuna.trials]
        assert adopted == [(0.5, {"slot": 0, "adopted": [other, 0]})]
        assert f"adopted {n_new} trials of {other}" in capsys.readouterr().out
    with open_study(tmp_path / "state", settings, {**MADE_BY, "code": "c3"}) as study:
        study.optuna.add_trial(create_trial(value=0.5, user_attrs={"slot": 0}))
    with pytest.raises(InputError, match="already has trials"):
        name(tmp_path, settings, {**MADE_BY, "code": "c3"}, adopt=other)
    with pytest.raises(InputError, match=f"there is no study 'quick@0'.*: .*{other}"):
        name(tmp_path, settings, {**MADE_BY, "code": "c4"}, adopt="quick@0")
    with pytest.raises(InputError, match=f"{other} is the study itself"):
        name(tmp_path, settings, MADE_BY, adopt=other)
    with pytest.raises(InputError, match="differs in seed"):
        name(tmp_path, experiment(tmp_path, "seed: 3", "seed: 4"), adopt=other)
    assert len(list((tmp_path / "state").iterdir())) == 3


@pytest.mark.parametrize("remains", [b'{"half', b"\0\0\0\n", b'\xff"\n{"op_code": 1}\n'])
def test_a_line_broken_by_a_kill_or_a_power_cut_is_cut_off(tmp_path: Path, remains: bytes) -> None:
    journal = tmp_path / "journal.log"
    with closing(Journal(journal)) as first:
        first.append_logs([{"op_code": 0, "worker_id": "1"}])
        assert list(first.read_logs(0)) == [{"op_code": 0, "worker_id": "1"}]
    whole = journal.read_bytes()
    journal.write_bytes(whole + remains)
    with closing(Journal(journal)) as second:
        assert list(second.read_logs(0)) == [{"op_code": 0, "worker_id": "1"}]
        second.append_logs([{"op_code": 1, "worker_id": "2"}])
    assert list(JournalFileBackend(str(journal)).read_logs(1)) == [{"op_code": 1, "worker_id": "2"}]
