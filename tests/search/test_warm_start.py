"""The best configurations of one study are enqueued in another: from the file and the flag alone, in equal slots."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState, create_trial

import contract_data
from conftest import EXPERIMENT
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.errors import BusyError, ConfigError, InputError
from pipeline.core.yaml_document import read_yaml
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.experiment.reader import enqueued_from, read_experiment
from pipeline.search import search
from pipeline.search.coordinator import Coordinator
from pipeline.search.publishing import publish_search
from pipeline.search.study import OpenStudy, open_study
from pipeline.search.warm_start import best_of_families, enqueue_best, study_of, to_paste

PRUNER = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
RUNGS = EXPERIMENT.replace(PRUNER, "fidelity: {rungs: [{share: 0.45}, {share: 1, best: 1}]}")
FIXED = {"n_epochs": 3, "optimizer": "adamw", "schedule": "one_cycle"}
MLP = {**FIXED, "model": "mlp", "lr": 0.001, "batch_size": 64, "mlp.width": 32}
CNN = {**FIXED, "model": "cnn", "lr": 1e-05, "batch_size": 32, "cnn.width": 8}


@contextmanager
def earlier(root: Path, text: str = EXPERIMENT) -> Iterator[OpenStudy]:
    """Open a study of another experiment, to add trials to it."""
    file = root / "earlier.yaml"
    file.write_text(text)
    with open_study(Workspace(root).searches, read_experiment(file), {}) as study:
        yield study


def add(study: OpenStudy, config: dict[str, Any], score: float | None, role: str = "search", **attrs: Any) -> None:
    slot = len(study.optuna.trials)
    known = {"slot": slot, "role": role, "config": config, "started_ms": 0}
    state = TrialState.FAIL if score is None else TrialState.COMPLETE
    study.optuna.add_trial(create_trial(value=score, state=state, user_attrs=known | attrs))


def wide(config: dict[str, Any], width: int) -> dict[str, Any]:
    return {**config, f"{config['model']}.width": width}


def test_the_best_of_each_family_is_a_complete_trial_and_no_reference(tmp_path: Path) -> None:
    with earlier(tmp_path) as study:
        add(study, wide(MLP, 8), 0.7, "baseline")
        add(study, wide(MLP, 16), 0.99, "reference")
        add(study, CNN, 0.9)
        add(study, MLP, 0.8, "enqueued")
        add(study, wide(MLP, 64), 0.8)  # a tie: the lower slot
        add(study, wide(CNN, 16), None, reason="out of memory")
    assert best_of_families(Workspace(tmp_path).searches, study.name) == [CNN, MLP]


def test_with_rungs_the_last_one_decides(tmp_path: Path) -> None:
    with earlier(tmp_path, RUNGS) as study:
        add(study, MLP, 0.99, "baseline")  # trained once, in full
        with pytest.raises(BusyError):
            best_of_families(Workspace(tmp_path).searches, study.name)
    with pytest.raises(InputError, match="no complete trial"):
        best_of_families(Workspace(tmp_path).searches, study.name)
    with earlier(tmp_path, RUNGS) as study:
        add(study, CNN, 0.5, rungs=[{"rung": 1, "share": 1.0, "repeat": 0, "score": 0.5}])
    assert best_of_families(Workspace(tmp_path).searches, study.name) == [CNN]


def test_a_study_is_named_by_itself_or_by_another_experiment(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    runs = SearchRuns(study="digits@1.2", origin=contract_data.ORIGIN, trials=[], experiment_id="1", run_id="r")
    runs.write(layout.search_runs("digits"))
    assert study_of(layout, "digits", "mine") == "digits@1.2"
    assert study_of(layout, "digits@1", "digits") == "digits@1"
    with pytest.raises(InputError, match="another study after each search"):
        study_of(layout, "digits", "digits")
    with pytest.raises(InputError, match="there is no study 'digits@1'"):
        best_of_families(Workspace(tmp_path).searches, "digits@1")
    assert not (Workspace(tmp_path).searches / "digits@1").exists()


def test_they_come_after_the_file_s_own_on_top_of_trials_and_as_pasted(tmp_path: Path, digits_folder: Path) -> None:
    with earlier(tmp_path) as study:
        add(study, CNN, 0.9)
        add(study, MLP, 0.8)
        add(study, {**wide(CNN, 4), "model": "lenet", "lr": 1.0}, 0.7)
    file, development, state = tmp_path / "mine.yaml", digits_folder / "development", Workspace(tmp_path).searches
    own = "enqueue: [{model: mlp, lr: 0.001, batch_size: 64, mlp.width: 32}]\n"
    file.write_text(EXPERIMENT + own)
    alone = read_experiment(file, development)
    experiment, entries = enqueue_best(file, development, state, study.name)
    assert [entry["model"] for entry in entries] == ["cnn", "lenet"]  # not the one that the file has
    assert (experiment.first_sampled, experiment.n_slots) == (alone.first_sampled + 2, alone.n_slots + 2)
    assert experiment.enqueued[:2] == (MLP, CNN)
    assert experiment.identity() != alone.identity()  # without the flag, another study
    assert enqueued_from(file, experiment, entries) == {2: study.name, 3: study.name}

    block = to_paste(file, experiment, study.name, entries).splitlines()
    pasted = EXPERIMENT.replace("trials: 5", block[1]) + own.replace("[", "\n  - ").replace("]", "")
    file.write_text(pasted + "\n".join(block[3:]))
    from_file = read_experiment(file, development)
    assert from_file == experiment
    assert list(read_yaml(file).values["enqueue"][1]) == list(entries[0])
    assert enqueued_from(file, from_file) == enqueued_from(file, experiment) == {2: study.name, 3: study.name}
    again, none = enqueue_best(file, development, state, study.name)
    assert (again, none) == (experiment, [])


@pytest.mark.parametrize(
    ("config", "file_text", "complaint"),
    [
        ({**CNN, "cnn.colour": 3}, EXPERIMENT, "enqueue.0.cnn.colour: cnn has no option 'colour'"),
        ({**CNN, "batch_size": 10**6}, EXPERIMENT, "enqueue.0.batch_size: must be at most "),
        (CNN, RUNGS.replace("{rungs", "{stratify: weight_decay, rungs"), "enqueue.0: 'weight_decay', the key of the"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(
    tmp_path: Path, digits_folder: Path, config: dict[str, Any], file_text: str, complaint: str
) -> None:
    with earlier(tmp_path) as study:
        add(study, config, 0.9)
    file = tmp_path / "mine.yaml"
    file.write_text(file_text + "  weight_decay: [0, 0.1]\n")
    if "stratify" in file_text:
        file.write_text(file.read_text().replace("mlp.width: 16}", "mlp.width: 16, weight_decay: 0}"))
    else:
        file.write_text(file_text)
    with pytest.raises(ConfigError) as error:
        enqueue_best(file, digits_folder / "development", Workspace(tmp_path).searches, study.name)
    assert [complaint in problem for problem in error.value.problems] == [True]


def run(root: Path, digits: Path, **options: Any) -> SearchResult:
    """Search the experiment mine and write its artifacts."""
    layout = Layout(root)
    settings = Workspace(root, SearchSettings(workers=2))
    file, out = layout.experiment_file("mine"), layout.search("mine")
    result, runs = search.search(file, digits / "development", out, settings, **options)
    result.write(out)
    runs.write(layout.search_runs("mine"))
    return SearchResult.read(out)


def tagged(root: Path) -> dict[str, str]:
    """Return name of a run -> its tag `enqueued_from`."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    return {str(run.info.run_name): run.data.tags["enqueued_from"] for run in runs if "enqueued_from" in run.data.tags}


@pytest.mark.usefixtures("with_database", "shared_workers")
def test_a_search_with_them_resumes_repeats_and_is_tagged(
    digits_folder: Path,
    tmp_path: Path,
    empty_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with earlier(tmp_path) as study:
        add(study, CNN, 0.9)
        add(study, MLP, 0.8)
    file = Layout(tmp_path).experiment_file("mine")
    file.parent.mkdir()
    file.write_text(RUNGS.replace("trials: 5", "trials: 3"))
    with monkeypatch.context() as patch:
        patch.setattr(Coordinator, "_climb", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, digits_folder, source=study.name)
    block = capsys.readouterr().out.splitlines()[1:5]
    resumed = run(tmp_path, digits_folder, source=study.name)
    assert resumed.trials["role"].tolist() == ["baseline", "enqueued", "enqueued", "search", "search"]
    assert resumed.trials["drawn"].tolist() == ["given", study.name, study.name, "tpe", "tpe"]
    assert resumed.study.enqueued_from == {study.name: [1, 2]}
    assert set(resumed.rungs.loc[resumed.rungs["rung"] == 0, "number"]) == {1, 2, 3, 4}
    assert tagged(tmp_path) == {"trial-0001": study.name, "trial-0002": study.name}

    before = {path.name: path.read_bytes() for path in Layout(tmp_path).search("mine").glob("*.*")}
    assert len(before) == 5
    run(tmp_path, digits_folder, source=study.name, fresh=True)
    assert {path.name: path.read_bytes() for path in Layout(tmp_path).search("mine").glob("*.*")} == before
    file.write_text(RUNGS.replace("trials: 5", block[0]) + "\n".join(block[1:]))
    run(tmp_path, digits_folder)
    assert {path.name: path.read_bytes() for path in Layout(tmp_path).search("mine").glob("*.*")} == before

    clone = tmp_path / "clone"
    shutil.copytree(tmp_path / "data", clone / "data")
    shutil.copyfile(empty_database, clone / "mlflow.db")
    publish_search(clone, "mine", None)
    assert tagged(clone) == {"trial-0001": study.name, "trial-0002": study.name}
