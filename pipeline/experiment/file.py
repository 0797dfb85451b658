"""The experiment file as a whole: its sections, and what must hold between them; every problem named at once."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.yaml_document import Document, Integer, Scalar, Strict, read_yaml, validate
from pipeline.experiment.experiment import Bound, Experiment
from pipeline.experiment.registry import pruners, samplers
from pipeline.experiment.search_parameters import in_order, read_search_parameters, read_value
from pipeline.experiment.space import SearchParameter, n_combinations
from pipeline.training.config import Training

BOUNDED = ("val_loss", "val_accuracy", "val_macro_f1", "val_sensitivity", "val_specificity")
Kind = TypeVar("Kind", bound=Strict)


class ExperimentFile(Strict):
    """The experiment file as written."""

    question: str = Field(min_length=1, description="what the experiment is to answer, one sentence")
    dataset: str
    objective: Literal["accuracy", "macro_f1"] = Field("macro_f1", description="on val; larger is better")
    trials: Annotated[Integer, Field(ge=1, description="trials in total, the baseline included")]
    seed: Annotated[Integer, Field(ge=0)] = 1
    parallel: Annotated[Integer, Field(ge=1, description="trials that are drawn before any of them is learnt from")] = 2
    sampler: dict[str, Any] = Field({"name": "tpe"}, description="name and options")
    pruner: dict[str, Any] = Field({"name": "median"}, description="name and options")
    constraints: dict[str, Any] = Field({}, description="what the best epoch must keep, val_sensitivity for example")
    fixed: dict[str, Any] = Field({}, description="values of every draw")
    baseline: dict[str, Any] = Field(description="trial 0, a whole configuration together with `fixed`")
    one_at_a_time: dict[str, list[Any]] = Field({}, description="leaf -> values tried with the baseline otherwise")
    space: dict[str, Any] = Field(description="leaf -> list of choices, or range {low, high, log, step}, with `when`")


def read_experiment(path: Path, data: DatasetInfo | None = None) -> Experiment:
    """data: dataset.json of the development part that the experiment is to fit.

    Raises ConfigError with every problem of the file; nothing has been created then.
    """
    document = read_yaml(path)
    file = validate(document, ExperimentFile, document.values)
    sections = {name: _section(document, name) for name in ("fixed", "baseline", "one_at_a_time", "space")}
    sampler = _by_name(document, "sampler", samplers())
    pruner = _by_name(document, "pruner", pruners())
    constraints = _bounds(document, _section(document, "constraints"))
    fixed = _constants(document, "fixed", sections["fixed"])
    baseline = own_options({**fixed, **_constants(document, "baseline", sections["baseline"])})
    variations = _variations(document, sections["one_at_a_time"], baseline)
    leaves = read_search_parameters(document, sections["space"], fixed)
    for key in [key for key in fixed if key in leaves]:
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    _check_baseline(document, baseline, leaves, sections)
    space = in_order(document, leaves)
    if file:
        _check_trials(document, file.trials, len(variations))
    if file and sampler and sampler.exhaustive:
        _check_grid(document, file.trials, 1 + len(variations), fixed, space)
    if data:
        _check_data(document, data, baseline, leaves, variations)
    document.check()
    assert file
    assert sampler
    assert pruner
    names = ("question", "dataset", "objective", "trials", "seed", "parallel")
    return Experiment(
        name=path.stem, sampler=sampler, pruner=pruner, constraints=constraints, fixed=fixed, baseline=baseline,
        variations=variations, space=space, **{name: getattr(file, name) for name in names},
    )  # fmt: skip


def _section(document: Document, name: str) -> dict[str, Any]:
    """Its keys, even where the rest of the file is wrong, so that all problems come at once."""
    written = document.values.get(name)
    return dict(written) if isinstance(written, Mapping) else {}


def _by_name(document: Document, section: str, kinds: Mapping[str, type[Kind]]) -> Kind | None:
    """Sampler or pruner with its options."""
    written = _section(document, section)
    name = str(written.setdefault("name", ExperimentFile.model_fields[section].default["name"]))
    if name not in kinds:
        document.problem((section, "name"), f"unknown {section} {name!r}; known are {', '.join(kinds)}", kinds, name)
        return None
    return validate(document, kinds[name], written, (section,))


def _bounds(document: Document, written: Mapping[str, Any]) -> dict[str, Bound]:
    found = {}
    for key, bound in written.items():
        at = ("constraints", key)
        if key not in BOUNDED:
            document.problem(at, f"must be one of {', '.join(BOUNDED)}", BOUNDED, key)
        if not isinstance(bound, Mapping) or not any(value is not None for value in bound.values()):
            document.problem(at, f"must have `at_least` or `at_most`, got {bound!r}")
        elif checked := validate(document, Bound, bound, at):
            found[key] = checked
    return found


def _variations(
    document: Document, written: Mapping[str, Any], baseline: Configuration
) -> tuple[tuple[str, Scalar], ...]:
    """Leaf and value of every trial that differs from the baseline in one leaf, in the order of the file."""
    found = []
    for key, values in written.items():
        for i, value in enumerate(values if isinstance(values, list) else []):
            at = ("one_at_a_time", key, i)
            checked = read_value(document, key, value, at)
            if checked is None:
                continue
            if checked == baseline.get(key):
                document.problem(at, f"is the baseline's own value, {value!r}, which is trained anyway; take it out")
            elif (key, checked) in found:
                document.problem(at, f"values must differ, got {value!r} twice")
            elif key not in own_options({**baseline, key: checked}):
                document.problem(at, f"is no option of the baseline's model {baseline.get('model')!r}")
            found.append((key, checked))
    return tuple(found)


def _check_trials(document: Document, trials: int, n_variations: int) -> None:
    if trials < 1 + n_variations:
        rule = f"must be at least {1 + n_variations}, the baseline and {n_variations} of one_at_a_time, got {trials}"
        document.problem(("trials",), rule)


def _check_grid(
    document: Document, trials: int, n_given: int, fixed: Configuration, space: tuple[SearchParameter, ...]
) -> None:
    """n_given: trials that are not drawn. Its size is compared only where the file is right so far."""
    endless = [leaf for leaf in space if leaf.n_values is None]
    for leaf in endless:
        document.problem(("space", leaf.key), "a grid needs a list of choices, or a step without log")
    if endless or document.problems:
        return
    if n_given + n_combinations(fixed, space) > trials:
        size = math.prod(leaf.n_values or 0 for leaf in space)
        rule = f"the grid does not fit: {n_given} and up to {size} combinations; raise trials or drop values"
        document.problem(("trials",), f"{rule}, got {trials}")


def _constants(document: Document, section: str, values: Mapping[str, Any]) -> Configuration:
    checked = {key: read_value(document, key, value, (section, key)) for key, value in values.items()}
    return {key: value for key, value in checked.items() if value is not None}


def _check_data(
    document: Document,
    data: DatasetInfo,
    baseline: Configuration,
    space: Mapping[str, SearchParameter],
    variations: tuple[tuple[str, Scalar], ...],
) -> None:
    if (dataset := document.values.get("dataset")) != data.name:
        document.problem(("dataset",), f"must be {data.name!r} as in params.yaml, got {dataset!r}; make them equal")
    n_train, leaf = data.parts["train"].images, space.get("batch_size")
    for section, sizes in (
        ("space", (leaf.choices or (int(leaf.high),)) if leaf else ()),
        ("fixed", (_section(document, "fixed").get("batch_size", 1),)),
        ("baseline", (_section(document, "baseline").get("batch_size", 1),)),
        ("one_at_a_time", tuple(value for key, value in variations if key == "batch_size")),
    ):
        if too_large := [size for size in sizes if isinstance(size, int) and size > n_train]:
            rule = f"must be at most {n_train}, the images of the training part, got {max(too_large)}"
            document.problem((section, "batch_size"), rule)
    for key in _section(document, "constraints"):
        if key in ("val_sensitivity", "val_specificity") and not data.positive:
            document.problem(("constraints", key), f"the data set {data.name!r} has no positive class; take it out")


def _check_baseline(
    document: Document,
    baseline: Configuration,
    space: Mapping[str, SearchParameter],
    written: Mapping[str, Mapping[str, Any]],
) -> None:
    """The baseline is trial 0, so it must be a whole configuration; its values may lie outside of the space.

    written: the sections as they stand in the file; a key that stands there, though wrong, is not missing.
    """
    fixed, of_baseline = written["fixed"], {**written["fixed"], **written["baseline"]}
    for name, info in Training.model_fields.items():
        if info.is_required() and name not in of_baseline:
            document.problem(("baseline",), f"{name!r} is missing; set it in `baseline` or `fixed`")
        if info.is_required() and name not in written["space"] and name not in fixed:
            document.problem(("space",), f"{name!r} is missing; give it a range in `space` or a value in `fixed`")
    for key, leaf in space.items():
        if leaf.active(baseline) and key not in of_baseline:
            document.problem(("baseline",), f"{key!r} of the space is missing; set it in `baseline` or `fixed`")
