"""Section `fidelity`: rungs are read as meant, and every mistake is reported with its place."""

from pathlib import Path

import pytest

from conftest import EXPERIMENT
from pipeline.core.errors import ConfigError
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.samplers.design import Design
from pipeline.search.sampling import sample_parameters

PRUNER = "pruner: {name: median, startup_trials: 1, warmup: 0.3}"
RUNGS = "[{share: 1/9}, {share: 1/3, best: 2, seeds: 3}, {share: 1, best: 1}]"


def read(folder: Path, fidelity: str = f"{{rungs: {RUNGS}}}", development: Path | None = None) -> Experiment:
    text = EXPERIMENT.replace(PRUNER, f"fidelity: {fidelity}")
    path = folder / "quick.yaml"
    path.write_text(text)
    return read_experiment(path, development)


def test_rungs_are_read(tmp_path: Path) -> None:
    experiment = read(tmp_path)
    assert experiment.fidelity
    assert [(r.share, r.best, r.seeds) for r in experiment.fidelity.rungs] == [
        (1 / 9, None, 1),
        (1 / 3, 2, 3),
        (1, 1, 1),
    ]
    assert experiment.fidelity.stops(1) == (1 / 3,)
    assert experiment.families == ("mlp", "cnn")
    assert experiment.pruner.name == "none"
    prefix = read(tmp_path, f"{{schedule: prefix, rungs: {RUNGS}}}").fidelity
    assert prefix
    assert prefix.stops(1) == (1 / 9, 1 / 3)


@pytest.mark.parametrize(
    ("fidelity", "complaint"),
    [
        ("{rungs: []}", "fidelity.rungs: "),
        ("{rungs: [{share: 0}]}", "fidelity.rungs.0.share: "),
        ("{rungs: [{share: 1.5}]}", "fidelity.rungs.0.share: "),
        ("{rungs: [{share: 1/0}]}", "a fraction such as 1/9, got '1/0'"),
        ("{rungs: [{share: third}]}", "a fraction such as 1/9, got 'third'"),
        ("{rungs: [{share: 1/3}, {share: 1/9, best: 1}]}", "must be at least 1.5 times the one before"),
        ("{rungs: [{share: 1/3}, {share: 1}]}", "each rung after the first needs `best`"),
        ("{rungs: [{share: 1/3, best: 2}]}", "remove its `best`"),
        (
            "{rungs: [{share: 1/9}, {share: 1/3, best: 1}, {share: 1, best: 2}]}",
            "`best` must not rise, got 1 and then 2",
        ),
        ("{rungs: [{share: 1, seeds: 0}]}", "fidelity.rungs.0.seeds: "),
        ("{stratify: lr, rungs: [{share: 1}]}", "must be a list of choices in `space`"),
        ("{stratify: modle, rungs: [{share: 1}]}", "did you mean 'model'"),
        ("{stratify: cnn.width, rungs: [{share: 1}]}", "must be sampled in every trial"),
        ("{rung: [{share: 1}]}", "unknown key; known are rungs, stratify, schedule; did you mean 'rungs'"),
        ("{rungs: [{share: 1, sedes: 2}]}", "unknown key; known are share, best, seeds; did you mean 'seeds'"),
    ],
)
def test_problems_are_reported(tmp_path: Path, fidelity: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, fidelity)
    assert complaint in str(error.value)
    assert "quick.yaml:8" in str(error.value)


def test_a_pruner_and_rungs_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT + "fidelity: {rungs: [{share: 1}]}\n")
    with pytest.raises(ConfigError, match="remove `pruner` or `fidelity`"):
        read_experiment(path)


def test_the_first_rung_needs_enough_steps(tmp_path: Path, digits_folder: Path) -> None:
    with pytest.raises(ConfigError, match="at least 25 steps at batch_size 64 and n_epochs 3; raise the share to"):
        read(tmp_path, development=digits_folder / "development")
    read(tmp_path, "{rungs: [{share: 1/2}]}", development=digits_folder / "development")


CASES = """\
  lr:
    - {low: 1e-2, high: 1, log: true, when: {optimizer: sgd}}
    - {low: 1e-4, high: 1e-2, log: true, when: {optimizer: adamw}}
  optimizer: [sgd, adamw]
"""
LR = "  lr: {low: 1e-4, high: 1e-1, log: true}\n"


def with_cases(folder: Path, cases: str = CASES) -> Experiment:
    path = folder / "quick.yaml"
    path.write_text(
        EXPERIMENT.replace(LR, cases).replace(", optimizer: adamw", "").replace("lr: 1e-3", "lr: 1e-3, optimizer: sgd")
    )
    return read_experiment(path)


def test_a_range_may_have_cases(tmp_path: Path) -> None:
    experiment = with_cases(tmp_path)
    names = {parameter.name: (parameter.low, parameter.high) for parameter in experiment.space if parameter.key == "lr"}
    assert names == {"lr[sgd]": (0.01, 1), "lr[adamw]": (0.0001, 0.01)}
    sampled = {"optimizer": "adamw", "lr[adamw]": 0.002, "model": "mlp", "mlp.width": 8, "batch_size": 32}
    assert experiment.configuration(sampled)["lr"] == 0.002


@pytest.mark.parametrize("old", ["when: {optimizer: sgd}", "when: {optimizer: adamw}"])
def test_cases_must_exclude_each_other(tmp_path: Path, old: str) -> None:
    with pytest.raises(ConfigError, match=r"space.lr.1: the cases of a key need `when` with different values"):
        with_cases(tmp_path, CASES.replace(old, "when: {optimizer: [sgd, adamw]}"))


def test_known_configurations_fill_the_first_slots(tmp_path: Path) -> None:
    path = tmp_path / "quick.yaml"
    known = "{model: cnn, lr: 0.01, batch_size: 32, cnn.width: 32}"
    path.write_text(f"{EXPERIMENT}reference: {{hand: {known}}}\nenqueue: [{known}]\n")
    experiment = read_experiment(path)
    expected = {
        "n_epochs": 3,
        "optimizer": "adamw",
        "schedule": "one_cycle",
        "model": "cnn",
        "lr": 0.01,
        "batch_size": 32,
        "cnn.width": 32,
    }
    assert [experiment.given(slot) for slot in (1, 2, 3)] == [("reference", expected), ("enqueued", expected), None]
    assert experiment.first_sampled == 3
    for wrong, complaint in (
        ("lrr: 1", "unknown key"),
        ("lr: -1", "enqueue.0.lr"),
        ("lr: 0.1, mlp.x: 1", "no option 'x'"),
    ):
        path.write_text(f"{EXPERIMENT}enqueue: [{{model: cnn, batch_size: 32, {wrong}}}]\n")
        with pytest.raises(ConfigError, match=complaint):
            read_experiment(path)
    path.write_text(f"{EXPERIMENT}enqueue: [{{model: cnn, lr: 0.1}}]\n")
    with pytest.raises(ConfigError, match="'batch_size' is missing; set it here or in `fixed`"):
        read_experiment(path)


def test_the_design_is_balanced_within_each_family(tmp_path: Path) -> None:
    experiment = with_cases(tmp_path).model_copy(update={"sampler": Design()})
    draws = [experiment.configuration(sample_parameters(experiment, slot, ()).params) for slot in range(1, 17)]
    for model in ("mlp", "cnn"):
        of_family = [draw for draw in draws if draw["model"] == model]
        assert len(of_family) == 8
        for key, values in (("optimizer", ("sgd", "adamw")), ("batch_size", (32, 64))):
            assert sorted(str(draw[key]) for draw in of_family) == sorted(str(v) for v in values * 4)
        own = {"mlp": "mlp.width", "cnn": "cnn.width"}[model]
        assert all(own in draw for draw in of_family)
        strata = [int((draw["mlp.width"] - 8) * 8 // 57) if model == "mlp" else 0 for draw in of_family]
        assert model == "cnn" or sorted(strata) == list(range(8))  # each eighth of the range once


def test_the_cases_of_a_required_key_cover_all_values(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must have a value for every optimizer; add a case for adamw"):
        with_cases(tmp_path, CASES.replace("    - {low: 1e-4, high: 1e-2, log: true, when: {optimizer: adamw}}\n", ""))


def test_an_enqueued_configuration_has_a_family(tmp_path: Path) -> None:
    path = tmp_path / "quick.yaml"
    text = EXPERIMENT.replace(PRUNER, "fidelity: {stratify: batch_size, rungs: [{share: 1}]}")
    path.write_text(f"{text}enqueue: [{{model: mlp, lr: 0.01}}]\n")
    with pytest.raises(ConfigError, match="'batch_size', the key of the families, is missing"):
        read_experiment(path)


def test_the_first_rung_of_a_given_configuration_needs_enough_steps(tmp_path: Path, digits_folder: Path) -> None:
    path = tmp_path / "quick.yaml"
    text = EXPERIMENT.replace(PRUNER, "fidelity: {rungs: [{share: 1/2}]}")
    path.write_text(f"{text}enqueue: [{{model: mlp, lr: 0.01, batch_size: 256}}]\n")
    with pytest.raises(ConfigError, match="at least 25 steps at batch_size 256"):
        read_experiment(path, digits_folder / "development")
