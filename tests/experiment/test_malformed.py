"""Every fault of an experiment file is reported with line, rule and value, and nothing is created."""

import re
from pathlib import Path

import pytest

from conftest import EXPERIMENT
from pipeline.core.errors import ConfigError
from pipeline.execution.settings import Workspace
from pipeline.experiment.reader import read_experiment
from pipeline.search import search

SPACE = "space:"
BOMB = "a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
CIRCLE = ("[32, 64]", "{choice: [32, 64], when: {lr: 0.1}}", "log: true}", "log: true, when: {batch_size: 32}}")


def swap(*pairs: str) -> str:
    text = EXPERIMENT
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


MALFORMED: dict[str, tuple[str | bytes | None, str, str]] = {  # file, start of the line that is named, message
    "missing file": (None, "", "does not exist; create it or correct the name"),
    "empty file": ("", "", ":1: file: must be a mapping of keys to values, got nothing"),
    "bad YAML": (swap("trials: 5", "trials: [5"), "seed", "file: must be YAML:"),
    "no mapping": ("- a\n- b\n", "", ":1: file: must be a mapping of keys to values, got a list"),
    "duplicate key": (EXPERIMENT + "  batch_size: [8]\n", "  batch_size: [32", "also on line 17"),
    "unknown key": (swap("trials: 5", "trails: 5"), "trails", "trails: unknown key; known are"),
    "nearest key": (swap("trials: 5", "trails: 5"), "trails", "did you mean 'trials'?"),
    "low > high": (swap("low: 8, high: 64", "low: 64, high: 8"), "  mlp.width", "must hold, got low=64, high=8"),
    "low = high": (swap("low: 8, high: 64", "low: 8, high: 8"), "  mlp.width", "low < high must hold"),
    "log of zero": (swap("low: 1e-4", "low: 0"), "  lr", "log needs low > 0, got low=0"),
    "log with step": (swap("log: true", "log: true, step: 0.1"), "  lr", "log and step exclude each other; keep one"),
    "step of zero": (swap("high: 64}", "high: 64, step: 0}"), "  mlp.width", "step > 0 must hold, got step=0"),
    "NaN bound": (swap("low: 1e-4", "low: .nan"), "  lr", "must be a finite number, got nan"),
    "inf bound": (swap("high: 1e-1", "high: .inf"), "  lr", "must be a finite number, got inf"),
    "int given 2.5": (swap("n_epochs: 3", "n_epochs: 2.5"), "fixed", "fixed.n_epochs: must be a valid"),
    "int given on": (swap("n_epochs: 3", "n_epochs: true"), "fixed", "must be a whole number, got True"),
    "empty choices": (swap("[32, 64]", "[]"), "  batch_size", "choices must not be empty"),
    "duplicate choices": (swap("[32, 64]", "[32, 32]"), "  batch_size", "choices must differ, got [32, 32]"),
    "nested choices": (swap("[32, 64]", "[[32], 64]"), "  batch_size", "choices must be single values"),
    "unknown model": (swap("[mlp, cnn]", "[mlp, cmn]"), "  model", "unknown model 'cmn'; known are"),
    "nearest model": (swap("[mlp, cnn]", "[mlp, timm:resnet81]"), "  model", "did you mean 'timm:resnet18'?"),
    "unknown data set": (swap("dataset: digits", "dataset: digit"), "dataset", "must be 'digits' as in params.yaml"),
    "unknown sampler": (swap("{name: tpe,", "{name: tp,"), "sampler", "sampler.name: unknown sampler 'tp'"),
    "unknown pruner": (swap("{name: median,", "{name: medain,"), "pruner", "did you mean 'median'?"),
    "unknown option": (swap("cnn.width:", "cnn.widht:"), "  cnn.widht", "cnn has no option 'widht'; it has"),
    "batch of zero": (swap("[32, 64]", "[0, 64]"), "  batch_size", "greater than or equal to 1, got 0"),
    "no epochs": (swap("n_epochs: 3", "n_epochs: -1"), "fixed", "greater than or equal to 1, got -1"),
    "batch larger than the data": (swap("[32, 64]", "[32, 9999]"), "  batch_size", "the training part, got 9999"),
    "when on nothing": (swap("[32, 64]", "{choice: [8], when: {modle: mlp}}"), "  batch_size", "did you mean 'model'"),
    "when in a circle": (swap(*CIRCLE), "  ", "conditions run in a circle: lr, batch_size"),
    "no trials": (swap("trials: 5", "trials: 0"), "trials", "greater than or equal to 1, got 0"),
    "fewer than none": (swap("trials: 5", "trials: -3"), "trials", "greater than or equal to 1, got -3"),
    "large grid": (
        swap("{name: tpe, startup_trials: 2}", "{name: grid}", "{low: 1e-4, high: 1e-1, log: true}", "[0.1, 0.2]"),
        "trials", "the grid does not fit: 1 and up to",
    ),
    "Python object": (swap("trials: 5", "trials: !!python/object:os.system 5"), "trials", "only plain YAML values"),
    "alias bomb": (BOMB, "", ":1: a: anchors and aliases are not allowed; write the value out"),
    "UTF-16": (EXPERIMENT.encode("utf-16"), "", ":1: file: must be UTF-8 text; save it as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_fault_is_reported_and_nothing_is_created(digits_folder: Path, tmp_path: Path, case: str) -> None:
    content, at, complaint = MALFORMED[case]
    file = tmp_path / "quick.yaml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError) as error:
        search.search(file, digits_folder / "development", tmp_path / "out", Workspace(tmp_path))
    assert sorted(tmp_path.iterdir()) == before
    problems = "\n".join(error.value.problems) or str(error.value)
    assert complaint in problems
    if at:
        assert isinstance(content, str)
        lines = content.splitlines()
        named = [lines[int(n) - 1] for n in re.findall(r"quick\.yaml:(\d+): ", problems)]
        assert any(line.startswith(at) for line in named)


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [("1e-3", "1E-3", 0.001), ("lr: 1e-3", "lr: 0.001", 0.001), ("lr: 1e-3", "lr: 1", 1.0)],
)
def test_numbers_are_read_as_meant(tmp_path: Path, old: str, new: str, value: float) -> None:
    file = tmp_path / "quick.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + swap(old, new).encode())  # a byte order mark is no fault
    assert read_experiment(file).baseline["lr"] == value


@pytest.mark.parametrize(("written", "meant"), [("on", True), ("off", False), ("yes", True), ("no", False)])
def test_switches_are_read_as_meant(tmp_path: Path, written: str, meant: bool) -> None:
    file = tmp_path / "quick.yaml"
    file.write_text(swap("fixed: {", f"fixed: {{class_weights: {written}, "))
    assert read_experiment(file).fixed["class_weights"] is meant


def test_a_wrong_value_is_not_called_missing_too(tmp_path: Path) -> None:
    file = tmp_path / "quick.yaml"
    file.write_text(swap("n_epochs: 3", "n_epochs: three", "[32, 64]", "{choice: [32, x], when: {lr: 0.1}}"))
    with pytest.raises(ConfigError) as error:
        read_experiment(file)
    assert [problem for problem in error.value.problems if "missing" in problem] == []
    assert any("fixed.n_epochs" in problem for problem in error.value.problems)
