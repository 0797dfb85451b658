"""Experiment files: what is valid is read as meant; every problem is reported before anything starts."""

import time
from pathlib import Path

import pytest

import contract_data
from conftest import EXPERIMENT
from pipeline.core.errors import ConfigError
from pipeline.experiment.reader import read_experiment
from pipeline.experiment.samplers.optuna import Tpe

DIGITS = contract_data.dataset_info("digits", list("0123456789"), [])


ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, old: str = "", new: str = "", text: str = EXPERIMENT):
    assert old in text
    path = tmp_path / "quick.yaml"
    path.write_text(text.replace(old, new) if old else text)
    return read_experiment(path)


def test_parameters_are_typed_and_conditional(tmp_path: Path) -> None:
    experiment = read(tmp_path)
    parameters = {parameter.key: parameter for parameter in experiment.space}
    assert parameters["lr"].log
    assert not parameters["lr"].integer
    assert parameters["mlp.width"].integer
    assert parameters["cnn.width"].active({"model": "cnn"})
    assert not parameters["cnn.width"].active({"model": "mlp"})
    assert experiment.baseline == {
        "n_epochs": 3, "optimizer": "adamw", "schedule": "one_cycle", "model": "mlp",
        "lr": 1e-3, "batch_size": 64, "mlp.width": 16,
    }  # fmt: skip


def test_options_of_other_models_are_no_part_of_a_configuration(tmp_path: Path) -> None:
    experiment = read(tmp_path, "fixed: {", "fixed: {cnn.depth: 1, mlp.depth: 3, ")
    assert "cnn.depth" not in experiment.baseline
    assert experiment.baseline["mlp.depth"] == 3


def test_a_parameter_comes_after_those_its_condition_names(tmp_path: Path) -> None:
    text = EXPERIMENT.replace(
        "  model: [mlp, cnn]\n", "  momentum: {choice: [0.8, 0.9], when: {batch_size: [32]}}\n  model: [mlp, cnn]\n"
    )
    keys = [parameter.key for parameter in read(tmp_path, text=text).space]
    assert keys.index("momentum") > keys.index("batch_size")


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_of_the_project_is_valid(file: Path) -> None:
    assert read_experiment(file).trials > 0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("trials: 5", "trails: 5", "trails: unknown key; known are question"),
        ("trials: 5", "trails: 5", "did you mean 'trials'"),
        ("trials: 5", "trials: 0", "trials: must be greater than or equal to 1, got 0"),
        ("trials: 5", "trials: 2.5", "trials: must be a valid integer"),
        ("objective: accuracy", "objective: acuracy", "did you mean 'accuracy'"),
        (
            "seed: 3",
            "registration: {primary: f1, smallest_difference: 0.1}",
            "registration.primary: must be 'accuracy', ",
        ),
        ("seed: 3", "registration: {primary: macro_f1}", "smallest_difference: the key is missing"),
        ("seed: 3", "registration: {primary: accuracy, smallest_difference: 2}", "must be less than 1, got 2"),
        ("{name: tpe,", "{name: tpee,", "sampler.name"),
        ("low: 1e-4, high: 1e-1", "low: 1e-1, high: 1e-4", "low < high must hold, got low=0.1, high=0.0001"),
        ("low: 1e-4, high: 1e-1", "low: 1e-1, high: 1e-1", "low < high must hold"),
        ("low: 1e-4, high", "low: 0, high", "log needs low > 0, got low=0"),
        ("low: 1e-4, high", "low: .nan, high", "must be a finite number"),
        ("log: true", "log: true, step: 0.1", "log and step exclude each other"),
        ("high: 64}", "high: 64, step: 0}", "step > 0 must hold, got step=0"),
        ("high: 64}", "high: 64, step: 2.5}", "step must be a whole number here, got step=2.5"),
        ("high: 64}", "high: 64, step: 9}", "high must be low plus a multiple of step, 62 or 71, got high=64"),
        ("[mlp, cnn]", "[cnn]", "space.mlp.width: is an option of model mlp, but model can only be cnn"),
        ("low: 8, high: 64", "low: 8.5, high: 64", "must be a valid integer"),
        ("[32, 64]", "[]", "choices must not be empty"),
        ("[32, 64]", "[32, 32]", "choices must differ"),
        ("[32, 64]", "[[32], 64]", "choices must be single values"),
        ("[32, 64]", "64", "must be a list of choices or a range"),
        ("[32, 64]", "[0, 64]", "must be greater than or equal to 1, got 0"),
        ("model: [mlp, cnn]", "model: [mlp, cnnn]", "unknown model 'cnnn'"),
        ("cnn.width: [4, 8]", "cnn.widht: [4, 8]", "cnn has no option 'widht'; it has"),
        ("cnn.width: [4, 8]", "cnn.widht: [4, 8]", "did you mean 'width'"),
        ("cnn.width: [4, 8]", "momentun: [0.1]", "did you mean 'momentum'"),
        ("n_epochs: 3", "n_epochs: -1", "must be greater than or equal to 1, got -1"),
        ("[32, 64]", "{choice: [32, 64], when: {momentun: 0.9}}", "must name a key of `space`"),
        (
            "[32, 64]",
            "{choice: [32, 64], when: {model: lenet}}",
            "must be values that can be sampled, ['mlp', 'cnn'], got ['lenet']",
        ),
        ("mlp.width: 16", "mlp.depth: 2", "'mlp.width' of the space is missing"),
        ("fixed: {", "fixed: {lr: 0.1, ", "the key is also in `fixed`; keep one"),
        (
            "{name: tpe, startup_trials: 2}",
            "{name: tpee}",
            "unknown sampler 'tpee'; known are cma_es, design, gp, grid",
        ),
        ("{name: tpe, startup_trials: 2}", "{name: tpee}", "did you mean 'tpe'"),
        ("{name: tpe, startup_trials: 2}", "{name: tpe, startup: 2}", "did you mean 'startup_trials'"),
        ("{name: tpe, startup_trials: 2}", "{name: random, startup_trials: 2}", "sampler.startup_trials: unknown key"),
        ("{name: median,", "{name: hyperband,", "pruner.startup_trials: unknown key"),
        ("{name: tpe, startup_trials: 2}", "{name: grid}", "space.lr: a grid needs a list of choices"),
        ("space:", "constraints: {val_sensitivty: {at_least: 0.9}}\nspace:", "did you mean 'val_sensitivity'"),
        ("space:", "constraints: {val_sensitivity: {}}\nspace:", "must have `at_least` or `at_most`"),
        ("space:", "constraints: {val_sensitivity: {at_leest: 1}}\nspace:", "did you mean 'at_least'"),
        ("space:", "one_at_a_time: {lr: [0.1, 1e-3]}\nspace:", "is the baseline's own value, 0.001"),
        ("space:", "one_at_a_time: {lr: [0.1, 0.1]}\nspace:", "values must differ, got 0.1 twice"),
        ("space:", "one_at_a_time: {cnn.width: [4]}\nspace:", "is no option of the baseline's model 'mlp'"),
        ("space:", "one_at_a_time: {lr: [1, 2, 3, 4, 5]}\nspace:", "must be at least 6, the baseline and all of"),
        ("space:", "one_at_a_time: {lr: 1}\nspace:", "one_at_a_time.lr: must be a valid list"),
        ("fixed: {n_epochs: 3,", "fixed: {", "'n_epochs' is missing"),
        (
            "[32, 64]",
            "{choice: [32, 64], when: {model: [[mlp]]}}",
            "must be a value or a list of values, got [['",
        ),
        ("[32, 64]", "{choice: [32, 64], low: 1, high: 2}", "must be a list of choices or a range; keep one"),
        ("n_epochs: 3", "n_epochs: true", "must be a whole number, got True"),
        ("model: [mlp, cnn]", "model: [mlp, timm:resnet81]", "did you mean 'timm:resnet18'"),
        ("model: [mlp, cnn]", "model: [mlp, cnn:big]", "cnn has no variants"),
    ],
)
def test_problems_are_reported(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, old, new)
    assert complaint in str(error.value)
    assert "quick.yaml:" in str(error.value)


def test_circular_conditions_are_reported(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("[32, 64]", "{choice: [32, 64], when: {momentum: 0.9}}")
    text += "  momentum: {choice: [0.9], when: {batch_size: 32}}\n"
    with pytest.raises(ConfigError, match="conditions run in a circle: batch_size, momentum"):
        read(tmp_path, text=text)


def test_all_problems_come_in_one_pass(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("[32, 64]", "[]").replace("log: true", "log: true, step: 1").replace("[4, 8]", "[0]")
    text = text.replace("trials: 5", "trials: 0") + "  cnn.width: [2]\n"
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text=text)
    lines = {problem.split(":")[1] for problem in error.value.problems}
    wrong = ("trials", "lr: {low", "batch_size: []", "cnn.width: [0]")
    again = text[: text.index("cnn.width: [2]")].count("\n") + 1
    assert any(f"also on line {again}" in problem for problem in error.value.problems)
    assert lines >= {str(text[: text.index(key)].count("\n") + 1) for key in wrong}


def test_one_wrong_section_hides_no_problem_of_another(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("{name: tpe,", "{name: tp,").replace("fixed: {", "fixed: {mlp.width: 8, lr: 0.1, ")
    text = text.replace("space:", "one_at_a_time: {momentum: [0.1, 0.2, 0.3, 0.4, 0.5]}\nspace:")
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text=text)
    named = [problem.split(": ")[1] for problem in error.value.problems]
    in_fixed = ["space.mlp.width", "space.lr"]  # in its order
    assert named == ["sampler.name", *in_fixed, "trials"]


def test_a_sampler_may_be_written_without_its_name(tmp_path: Path) -> None:
    sampler = read(tmp_path, "{name: tpe, startup_trials: 2}", "{startup_trials: 7}").sampler
    assert sampler == Tpe(startup_trials=7)


def test_a_batch_larger_than_the_data_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT)
    contract_data.with_parts(DIGITS, train=(63, 63)).write(tmp_path / "dataset.json")
    with pytest.raises(ConfigError) as error:
        read_experiment(path, tmp_path)
    assert [problem.split(": ", 1)[1] for problem in error.value.problems] == [
        f"{section}.batch_size: must be at most 63, the images of the training part, got 64"
        for section in ("space", "baseline")
    ]
    contract_data.with_parts(DIGITS, train=(64, 64)).write(tmp_path / "dataset.json")
    assert read_experiment(path, tmp_path).trials == 5


def test_the_baseline_may_leave_the_space(tmp_path: Path) -> None:
    assert read(tmp_path, "batch_size: 64,", "batch_size: 16,").baseline["batch_size"] == 16


def test_a_grid_larger_than_the_budget_is_reported(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("{name: tpe, startup_trials: 2}", "{name: grid}")
    text = text.replace("{low: 1e-4, high: 1e-1, log: true}", "[0.1, 0.01]").replace("{low: 8, high: 64}", "[8]")
    with pytest.raises(ConfigError, match=r":5: trials: the grid does not fit: 1 and up to"):
        read(tmp_path, text=text)
    assert read(tmp_path, text=text.replace("trials: 5", "trials: 20")).n_slots == 1 + 2 * 2 * (1 + 2)


def test_a_grid_over_a_range_of_a_billion_is_reported(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("{name: tpe, startup_trials: 2}", "{name: grid}")
    text = text.replace("{low: 1e-4, high: 1e-1, log: true}", "[0.1]").replace("{low: 8, high: 64}", "[8]")
    text = text.replace("[32, 64]", "{low: 1, high: 1000000000}").replace("cnn.width: [4, 8]", "cnn.width: [4]")
    start = time.process_time()
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text=text)
    assert [problem.split(": ", 1)[1] for problem in error.value.problems] == [
        "trials: the grid does not fit: 1 and up to 2000000000 combinations; raise trials or drop values, got 5"
    ]
    assert read(tmp_path, text=text.replace("trials: 5", "trials: 3000000000")).n_slots == 1 + 2 * 10**9
    assert time.process_time() - start < 0.5


def test_variations_come_between_the_baseline_and_the_samples(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("space:", "one_at_a_time: {lr: [0.1, 0.01], batch_size: [16]}\nspace:")
    experiment = read(tmp_path, text=text)
    assert experiment.first_sampled == 4
    for slot, changed in enumerate(({}, {"lr": 0.1}, {"lr": 0.01}, {"batch_size": 16})):
        role = "one_at_a_time" if slot else "baseline"
        assert experiment.given(slot) == (role, {**experiment.baseline, **changed})
    assert experiment.given(4) is None


def test_sensitivity_needs_a_positive_class(tmp_path: Path) -> None:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT.replace("space:", "constraints: {val_sensitivity: {at_least: 0.9}}\nspace:"))
    DIGITS.write(tmp_path / "dataset.json")
    with pytest.raises(ConfigError, match=r"val_sensitivity: the data set 'digits' has no positive class"):
        read_experiment(path, tmp_path)
    DIGITS.model_copy(update={"positive": ["3"]}).write(tmp_path / "dataset.json")
    assert read_experiment(path, tmp_path).constraints["val_sensitivity"].violation(0.8) == pytest.approx(0.1)
