"""Write the files of a new data set or experiment, valid and commented, and their lines in params.yaml."""

import json
import re
from pathlib import Path

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.yaml_document import read_yaml
from pipeline.datasets.class_folders import places
from pipeline.datasets.sources.folder import files_below

NAME = re.compile(r"[a-z][a-z0-9_]*")  # what DVC, MLflow and paths all take
RESERVED = ("data",)  # reports/data holds the pages of the data sets

DATASET = """# yaml-language-server: $schema=schema.json
# {name}: what these images are, and where they come from. Keys: docs/data.md
source: {{folder: {folder}}}
# group: {{pattern: "(patient\\\\d+)_"}} # the part of the path that names the patient
# image: {{px: 64, fit: pad}}
"""
EXPERIMENT = """# yaml-language-server: $schema=schema.json
# Command: dvc repro report@{name}. If the winner is far better on train than on test, give it more augmentation (flip,
# rotate_deg, zoom, intensity, cutout) and more epochs; if it is bad on both, more epochs or wider networks.
question: Which network, learning rate and batch size tell the classes of {dataset} apart best?
dataset: {dataset}
objective: macro_f1
trials: 12 # the first is the baseline
pruner: {{name: median}} # stops a trial that is below the median of those before it; none: all are trained to their end
fixed: {{optimizer: adamw, schedule: one_cycle}}
baseline: {{model: cnn, lr: 0.001, batch_size: 16, n_epochs: 15, flip: none, rotate_deg: 0, shift: 0}}
space:
  model: [cnn, se_resnet]
  lr: {{low: 3e-4, high: 3e-2, log: true}}
  batch_size: [16, 32]
  n_epochs: [15, 30]
  flip: [none, horizontal] # none where left and right differ in meaning
  rotate_deg: [0, 10]
  shift: [0, 0.06]
"""


def new_dataset(root: Path, name: str, folder: str) -> list[str]:
    """Write data/<name>.yaml for class folders, and experiments/<name>.yaml. Return what to do next.

    root: of the repository. Raises InputError if a file is there already, or the folder is missing or holds no
    class folders; nothing is written then.
    """
    file, experiment = Layout(root).dataset_file(name), Layout(root).experiment_file(name)
    _check(name, file, experiment)
    path = root / Path(folder).expanduser()
    if not path.is_dir():
        raise InputError(f"--folder {folder}: there is no such folder; it is relative to the root of the repository")
    labels = {
        place.label for place in places([p.relative_to(path).as_posix() for p in files_below(path)], None).values()
    }
    classes = labels - {None}
    if len(classes) < 2:
        what = "one folder" if classes else "no folder"
        raise InputError(f"{folder}: must hold a folder of images for each of two or more classes, got {what}")
    params = _with_line(root, "datasets", name, str(Path(folder).expanduser()))
    params = _with_line(root, "experiments", name, name, params)
    write_text(file, DATASET.format(name=name, folder=json.dumps(folder)))
    write_text(experiment, EXPERIMENT.format(name=name, dataset=name))
    write_text(root / "params.yaml", params)
    return [
        f"wrote {file.relative_to(root)} ({len(classes)} classes) and {experiment.relative_to(root)}",
        "added both to params.yaml",
        f"next: dvc repro explore@{name}, look at reports/data/{name}/index.html, then dvc repro report@{name}",
    ]


def new_experiment(root: Path, name: str, like: str | None = None, dataset: str | None = None) -> list[str]:
    """Write experiments/<name>.yaml, short or like another one. Return what to do next.

    dataset: None for the data set of that name, else digits; another experiment brings its own. Raises InputError if
    the file is there already, or the data set is unknown.
    """
    file, datasets = Layout(root).experiment_file(name), read_yaml(root / "params.yaml").values.get("datasets", {})
    _check(name, file)
    if like:
        dataset, text = _copied(Layout(root).experiment_file(like), like, name)
    else:
        dataset = dataset or (name if name in datasets else "digits")
        text = EXPERIMENT.format(name=name, dataset=dataset)
    if dataset not in datasets:
        raise InputError(f"{dataset!r} is not among the data sets in params.yaml ({', '.join(datasets)}); add it there")
    params = _with_line(root, "experiments", name, dataset)
    write_text(file, text)
    write_text(root / "params.yaml", params)
    return [
        f"wrote experiments/{name}.yaml on {dataset}, and added it to params.yaml",
        f"next: edit it, then python -m pipeline space {name}",
    ]


def _copied(source: Path, like: str, name: str) -> tuple[str, str]:
    """Return the data set and the text of a copy, whose heading does not speak of the results of the original."""
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in source.parent.glob("*.yaml")))
        raise InputError(f"--like {like}: there is no {source}; known are {known}")
    text = source.read_text(encoding="utf-8")
    heading = f"# Like {like}.\n# Command: dvc repro report@{name}\n"
    body = re.sub(r"\A(# yaml-language-server.*\n)?(#.*\n)*", lambda match: (match[1] or "") + heading, text)
    return str(read_yaml(source).values.get("dataset")), body


def _check(name: str, *files: Path) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        rule = "a name must start with a letter and hold lower-case letters, digits and _ alone"
        raise InputError(f"{name!r}: {rule}, and not be {', '.join(RESERVED)}")
    for file in files:
        if file.exists():
            raise InputError(f"{file} is there already; choose another name or delete it")


def _with_line(root: Path, section: str, name: str, value: str, text: str | None = None) -> str:
    """Return params.yaml with an entry more at the end of a section; its comments stay. text: None reads the file."""
    path = root / "params.yaml"
    if name in read_yaml(path, text).values.get(section, {}):
        raise InputError(f"{path}: {section} names {name} already; delete the line or choose another name")
    text = path.read_text(encoding="utf-8") if text is None else text
    block = re.search(rf"^{section}: *(#.*)?\n(?:[ #].*\n)+", text, re.MULTILINE)
    is_plain = re.fullmatch(r"[~./\w-]+", value) and not value.isdigit()
    line = f"{name}: {value if is_plain else json.dumps(value)}"
    if not block:
        raise InputError(f"{path}: {section} must be a block with an entry on each line; add {line} by hand")
    return f"{text[: block.end()]}  {line}\n{text[block.end() :]}"
