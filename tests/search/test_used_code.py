"""The code of a study: an edit of what it does not name starts no new study."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import EXPERIMENT
from pipeline.experiment.reader import read_experiment
from pipeline.search.used_code import unused_modules

ROOT = Path(__file__).parents[2]
CODE = """
from pathlib import Path
from pipeline.experiment.reader import read_experiment
from pipeline.search.used_code import study_code
print(study_code(read_experiment(Path("quick.yaml"), Path({development!r}))))
"""


@pytest.mark.slow
def test_only_what_a_study_names_counts(tmp_path: Path, digits_folder: Path) -> None:
    package = tmp_path / "pipeline"
    shutil.copytree(ROOT / "pipeline", package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "quick.yaml").write_text(EXPERIMENT)
    code = CODE.format(development=str(digits_folder / "development"))

    def digest() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    def edit(name: str) -> None:
        with (package / name).open("a") as file:
            file.write("\nEDITED = 1\n")

    before = digest()
    (package / "models/new.py").write_text((ROOT / "pipeline/models/mlp.py").read_text().replace('"mlp"', '"new"'))
    for unused in ("models/lenet.py", "training/optimizers/muon.py", "experiment/samplers/grid.py"):
        edit(unused)
    assert digest() == before
    edit("models/layers.py")  # which a family of the study imports
    assert digest() != before


@pytest.mark.parametrize(
    ("old", "new", "module"),
    [
        ("model: [mlp, cnn]", "model: [mlp, cnn, lenet]", "models.lenet"),
        (
            "  cnn.width: [4, 8]",
            "  cnn.width: [4, 8]\nreference: {other: {model: cnn, optimizer: muon, lr: 0.1, batch_size: 64}}",
            "training.optimizers.muon",
        ),
        ("tpe, startup_trials: 2", "grid", "experiment.samplers.grid"),
    ],
)
def test_every_value_that_a_configuration_can_have_counts(
    old: str, new: str, module: str, tmp_path: Path, digits_folder: Path
) -> None:
    def unused(text: str) -> set[str]:
        (tmp_path / "quick.yaml").write_text(text)
        return unused_modules(read_experiment(tmp_path / "quick.yaml", digits_folder / "development"))

    assert old in EXPERIMENT
    assert f"pipeline.{module}" in unused(EXPERIMENT)
    text = EXPERIMENT.replace(old, new)
    if "grid" in new:
        text = (
            text.replace("{low: 1e-4, high: 1e-1, log: true}", "[0.001]")
            .replace("{low: 8, high: 64}", "[8]")
            .replace("trials: 5", "trials: 9")
        )
    assert f"pipeline.{module}" not in unused(text)
