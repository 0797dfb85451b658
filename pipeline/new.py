"""Write the files of a new data set or experiment, valid and commented, and their lines in params.yaml."""

import re
from pathlib import Path

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.datasets.description import read_dataset, watched

NAME = re.compile(r"[a-z][a-z0-9_]*")  # what DVC, MLflow and paths all take

DATASET = """# yaml-language-server: $schema=schema.json
# {name}: what these images are, and where they come from. Keys: docs/data.md
source: {{folder: {folder}}}
# group: {{pattern: "(patient\\\\d+)_"}} # the part of the path that names the patient
# image: {{px: 64, fit: pad}}
"""
EXPERIMENT = """# yaml-language-server: $schema=schema.json
# Command: dvc repro report@{name}
question: Which network, learning rate and batch size tell the classes of {dataset} apart best?
dataset: {dataset}
objective: macro_f1
trials: 12 # the first is the baseline
fixed: {{optimizer: adamw, schedule: one_cycle}}
baseline: {{model: cnn, lr: 0.001, batch_size: 32, n_epochs: 10}}
space:
  model: [cnn, se_resnet]
  lr: {{low: 3e-4, high: 3e-2, log: true}}
  batch_size: [16, 32, 64]
  n_epochs: [10, 20]
"""


def new_dataset(root: Path, name: str, folder: str) -> list[str]:
    """Write data/<name>.yaml for class folders, and experiments/<name>.yaml. Return what to do next.

    root: of the repository. Raises InputError if a file is there already, or the folder holds no class folders.
    """
    file, experiment = root / f"data/{name}.yaml", Layout(root).experiment_file(name)
    _check(name, file, experiment)
    write_text(file, DATASET.format(name=name, folder=folder))
    try:
        dataset = read_dataset(root, name)
        classes = {record.label for record in dataset.read(root)}
        if len(classes - {None}) < 2:
            names = ", ".join(sorted(str(label) for label in classes - {None})) or "none"
            raise InputError(f"{folder}: must hold a folder of images for each of two or more classes, found: {names}")
    except BaseException:
        file.unlink()
        raise
    write_text(experiment, EXPERIMENT.format(name=name, dataset=name))
    _add(root, "datasets", f"{name}: {watched(dataset)}")
    _add(root, "experiments", f"{name}: {name}")
    return [
        f"wrote data/{name}.yaml ({len(classes)} classes) and experiments/{name}.yaml, and added them to params.yaml",
        f"next: dvc repro explore@{name} report@{name}",
    ]


def new_experiment(root: Path, name: str, like: str) -> list[str]:
    """Copy an experiment file. Return what to do next. Raises InputError if the file is there already."""
    source, file = Layout(root).experiment_file(like), Layout(root).experiment_file(name)
    _check(name, file)
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in source.parent.glob("*.yaml")))
        raise InputError(f"--like {like}: there is no {source}; known are {known}")
    text = source.read_text(encoding="utf-8")
    dataset = re.search(r"^dataset: *(\w+)", text, re.MULTILINE)
    write_text(file, text.replace(f"report@{like}", f"report@{name}"))
    _add(root, "experiments", f"{name}: {dataset[1] if dataset else name}")
    return [
        f"wrote {file.relative_to(root)}; added to params.yaml",
        f"next: edit it, then python -m pipeline space {name}",
    ]


def _check(name: str, *files: Path) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r}: a name must start with a letter and hold lower-case letters, digits and _ alone")
    for file in files:
        if file.exists():
            raise InputError(f"{file} is there already; choose another name or delete it")


def _add(root: Path, section: str, line: str) -> None:
    """Add a line to the end of a section of params.yaml, whose comments stay."""
    path = root / "params.yaml"
    text = path.read_text(encoding="utf-8")
    block = re.search(rf"^{section}:.*\n(?:[ #].*\n)*", text, re.MULTILINE)
    if not block:
        raise InputError(f"{path} has no section {section}; add it, then the line {line}")
    write_text(path, f"{text[: block.end()]}  {line}\n{text[block.end() :]}")
