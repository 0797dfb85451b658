"""Read an experiment file: its sections, and the rules between them; all problems are reported at once."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.yaml_document import Document, Scalar, Strict, read_yaml, validate
from pipeline.experiment.experiment import Bound, Experiment, Plan, Variations
from pipeline.experiment.registry import pruners, samplers
from pipeline.experiment.search_parameters import in_order, read_space, read_value
from pipeline.experiment.space import SearchParameter, n_combinations
from pipeline.training.config import Training

Bounded = Literal["val_loss", "val_accuracy", "val_macro_f1", "val_sensitivity", "val_specificity"]
Kind = TypeVar("Kind", bound=Strict)


class ExperimentFile(Plan):
    """The experiment file as written."""

    sampler: dict[str, Any] = Field({"name": "tpe"}, description="name and options")
    pruner: dict[str, Any] = Field({"name": "median"}, description="name and options")
    constraints: dict[Bounded, Bound] = Field({}, description="bounds on values of the best epoch")
    fixed: dict[str, Any] = Field({}, description="values that all sampled trials share")
    baseline: dict[str, Any] = Field(description="trial 0, a whole configuration together with `fixed`")
    one_at_a_time: dict[str, list[Any]] = Field({}, description="key -> values to try in the baseline, one at a time")
    space: dict[str, Any] = Field(description="key -> list of choices, or range {low, high, log, step}, with `when`")


def read_experiment(path: Path, development: Path | None = None) -> Experiment:
    """Return the experiment of a file.

    development: folder of the images that it must fit. Raises ConfigError with every problem of the file.
    """
    document = read_yaml(path)
    file = validate(document, ExperimentFile, document.values)
    sampler = _by_name(document, "sampler", samplers())
    pruner = _by_name(document, "pruner", pruners())
    fixed = _values(document, "fixed")
    baseline = own_options({**fixed, **_values(document, "baseline")})
    variations = _variations(document, baseline)
    parameters = read_space(document, _section(document, "space"), fixed)
    for key in [key for key in fixed if key in parameters]:
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    _check_baseline(document, baseline, parameters)
    space = in_order(document, parameters)
    trials, n_given = document.values.get("trials"), 1 + len(variations)
    if isinstance(trials, int) and 1 <= trials < n_given:
        rule = f"must be at least {n_given}, the baseline and {len(variations)} of one_at_a_time"
        document.problem(("trials",), f"{rule}, got {trials}")
    if isinstance(trials, int) and sampler and sampler.exhaustive:
        _check_grid(document, space, fixed=fixed, trials=trials, n_given=n_given)
    if development:
        _check_data(document, DatasetInfo.read(development / "dataset.json"), space=parameters, variations=variations)
    document.check()
    assert file
    assert sampler
    assert pruner
    return Experiment(
        name=path.stem, sampler=sampler, pruner=pruner, constraints={**file.constraints}, fixed=fixed,
        baseline=baseline, variations=variations, space=space, **file.model_dump(include=set(Plan.model_fields)),
    )  # fmt: skip


def _section(document: Document, name: str) -> dict[str, Any]:
    """Return what a section holds, even if the rest of the file is wrong, so that all problems come at once."""
    written = document.values.get(name)
    return dict(written) if isinstance(written, Mapping) else {}


def _by_name(document: Document, section: str, kinds: Mapping[str, type[Kind]]) -> Kind | None:
    """Return the sampler or pruner with its options."""
    written = {**ExperimentFile.model_fields[section].default, **_section(document, section)}
    name = str(written["name"])
    if name not in kinds:
        document.problem((section, "name"), f"unknown {section} {name!r}; known are {', '.join(kinds)}", kinds, name)
        return None
    return validate(document, kinds[name], written, (section,))


def _values(document: Document, section: str) -> Configuration:
    read = {key: read_value(document, (section, key), value) for key, value in _section(document, section).items()}
    return {key: value for key, value in read.items() if value is not None}


def _variations(document: Document, baseline: Configuration) -> Variations:
    """Return key and value of every trial that differs from the baseline in one key, in the order of the file."""
    variations: list[tuple[str, Scalar]] = []
    for key, values in _section(document, "one_at_a_time").items():
        for i, value in enumerate(values if isinstance(values, list) else []):
            at = ("one_at_a_time", key, i)
            checked = read_value(document, at, value)
            if checked is None:
                continue
            if checked == baseline.get(key):
                document.problem(at, f"is the baseline's own value, {value!r}, which is trained anyway; remove it")
            elif (key, checked) in variations:
                document.problem(at, f"values must differ, got {value!r} twice")
            elif key not in own_options({**baseline, key: checked}):
                document.problem(at, f"is no option of the baseline's model {baseline.get('model')!r}")
            variations.append((key, checked))
    return tuple(variations)


def _check_baseline(document: Document, baseline: Configuration, space: Mapping[str, SearchParameter]) -> None:
    """Trial 0 must be a whole configuration. A key with a wrong value is not also reported as missing."""
    fixed = _section(document, "fixed")
    given = fixed.keys() | _section(document, "baseline").keys()
    for name in (name for name, info in Training.model_fields.items() if info.is_required()):
        if name not in given:
            document.problem(("baseline",), f"{name!r} is missing; set it in `baseline` or `fixed`")
        if name not in fixed and name not in _section(document, "space"):
            document.problem(("space",), f"{name!r} is missing; give it a range in `space` or a value in `fixed`")
    for key, parameter in space.items():
        if parameter.active(baseline) and key not in given:
            document.problem(("baseline",), f"{key!r} of the space is missing; set it in `baseline` or `fixed`")


def _check_grid(
    document: Document, space: tuple[SearchParameter, ...], *, fixed: Configuration, trials: int, n_given: int
) -> None:
    """n_given: trials that are not sampled. The size is checked only if the file has no other problem."""
    for parameter in space:
        if parameter.n_values is None:
            document.problem(("space", parameter.key), "a grid needs a list of choices, or a step without log")
    if not document.problems and n_given + n_combinations(fixed, space) > trials:
        size = math.prod(parameter.n_values or 0 for parameter in space)
        rule = f"the grid does not fit: {n_given} and up to {size} combinations; raise trials or drop values"
        document.problem(("trials",), f"{rule}, got {trials}")


def _check_data(
    document: Document, data: DatasetInfo, *, space: Mapping[str, SearchParameter], variations: Variations
) -> None:
    if (dataset := document.values.get("dataset")) != data.name:
        document.problem(("dataset",), f"must be {data.name!r} as in params.yaml, got {dataset!r}; make them equal")
    n_train, parameter = data.parts["train"].images, space.get("batch_size")
    for section, sizes in (
        ("space", (parameter.choices or (int(parameter.high),)) if parameter else ()),
        ("fixed", (_section(document, "fixed").get("batch_size"),)),
        ("baseline", (_section(document, "baseline").get("batch_size"),)),
        ("one_at_a_time", tuple(value for key, value in variations if key == "batch_size")),
    ):
        if too_large := [size for size in sizes if isinstance(size, int) and size > n_train]:
            rule = f"must be at most {n_train}, the images of the training part, got {max(too_large)}"
            document.problem((section, "batch_size"), rule)
    for key in _section(document, "constraints"):
        if key in ("val_sensitivity", "val_specificity") and not data.positive:
            document.problem(("constraints", key), f"the data set {data.name!r} has no positive class; remove it")
