"""Read an experiment file: its sections, and the rules between them; all problems are reported at once."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import DatasetInfo
from pipeline.core.yaml_document import Document, Key, Scalar, Strict, read_yaml, validate
from pipeline.experiment.experiment import Bound, Experiment, Plan, Variations
from pipeline.experiment.fidelity import MIN_STEPS, Fidelity
from pipeline.experiment.pruners.optuna import NoPruner
from pipeline.experiment.registry import Pruner, pruners, samplers
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
    reference: dict[str, dict[str, Any]] = Field(
        {}, description="name -> a known configuration, with `fixed`, trained for comparison and never chosen"
    )
    enqueue: list[dict[str, Any]] = Field(
        [], description="known configurations, with `fixed`, that compete with the sampled ones"
    )
    space: dict[str, Any] = Field(
        description="key -> list of choices, or range {low, high, log, step}, with `when`; or a list of such ranges"
    )


def read_experiment(path: Path, development: Path | None = None) -> Experiment:
    """Return the experiment of a file.

    development: folder of the images that it must fit. Raises ConfigError with every problem of the file.
    """
    document = read_yaml(path)
    file = validate(document, ExperimentFile, document.values)
    sampler = _by_name(document, "sampler", samplers())
    pruner: Pruner | None = _by_name(document, "pruner", pruners())
    if file and file.fidelity:
        if "pruner" in document.values:
            document.problem(("pruner",), "rungs decide which trials stop; remove `pruner` or `fidelity`")
        pruner = NoPruner()
    fixed = _values(document, "fixed")
    baseline = own_options({**fixed, **_values(document, "baseline")})
    variations = _variations(document, baseline)
    parameters = read_space(document, _section(document, "space"), fixed)
    for key in [key for key in fixed if key in _section(document, "space")]:
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    _check_baseline(document, baseline, parameters)
    references = {name: _whole(document, ("reference", name), fixed) for name in (file.reference if file else ())}
    n_enqueued = len(file.enqueue) if file else 0
    enqueued = tuple(_whole(document, ("enqueue", i), fixed) for i in range(n_enqueued))
    space = in_order(document, parameters)
    trials, n_given = document.values.get("trials"), 1 + len(variations) + len(references) + n_enqueued
    if isinstance(trials, int) and 1 <= trials < n_given:
        rule = f"must be at least {n_given}, the baseline and all of one_at_a_time, reference and enqueue"
        document.problem(("trials",), f"{rule}, got {trials}")
    if file and file.fidelity:
        _check_families(document, file.fidelity, parameters, fixed=fixed, enqueued=enqueued)
    if isinstance(trials, int) and sampler and sampler.exhaustive:
        _check_grid(document, space, fixed=fixed, trials=trials, n_given=n_given)
    if development:
        data = DatasetInfo.read(development / "dataset.json")
        _check_data(document, data, space=parameters, variations=variations)
        if file and file.fidelity:
            known = [fixed, *enqueued, *references.values()]
            _check_steps(document, file.fidelity, parameters, known, n_train=data.parts["train"].images)
    document.check()
    assert file
    assert sampler
    assert pruner
    return Experiment(
        name=path.stem, sampler=sampler, pruner=pruner, constraints={**file.constraints}, fixed=fixed,
        baseline=baseline, variations=variations, references=references, enqueued=enqueued, space=space,
        **file.model_dump(include=set(Plan.model_fields)),
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


def _whole(document: Document, at: Key, fixed: Configuration) -> Configuration:
    """Return the configuration that is written at a place, together with `fixed`."""
    section, name = at
    written = document.values[str(section)][name]
    read = {key: read_value(document, (*at, key), value, key=key) for key, value in dict(written).items()}
    config = own_options({**fixed, **{key: value for key, value in read.items() if value is not None}})
    for key in (key for key, info in Training.model_fields.items() if info.is_required()):
        if key not in written and key not in fixed:
            document.problem(at, f"{key!r} is missing; set it here or in `fixed`")
    return config


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
        _check_cases(document, name, space)
    for parameter in space.values():
        if parameter.active(baseline) and (key := parameter.key) not in given:
            document.problem(("baseline",), f"{key!r} of the space is missing; set it in `baseline` or `fixed`")


def _check_cases(document: Document, name: str, space: Mapping[str, SearchParameter]) -> None:
    """Check that the cases of a key that every configuration needs cover all values of what they depend on."""
    cases = [parameter for parameter in space.values() if parameter.key == name]
    for parent in set.intersection(*(set(case.when) for case in cases)) if cases else ():
        possible = {value for other in space.values() if other.key == parent for value in other.choices}
        if missing := possible - {value for case in cases for value in case.when[parent]}:
            without = ", ".join(sorted(map(str, missing)))
            document.problem(("space", name), f"must have a value for every {parent}; add a case for {without}")


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


def _check_families(
    document: Document,
    fidelity: Fidelity,
    space: Mapping[str, SearchParameter],
    *,
    fixed: Configuration,
    enqueued: Sequence[Configuration],
) -> None:
    for i, config in enumerate(enqueued):
        if (key := fidelity.stratify) not in config:
            rule = f"{key!r}, the key of the families, is missing; set it here or in `fixed`"
            document.problem(("enqueue", i), rule)
    parameter, at = space.get(fidelity.stratify), ("fidelity", "stratify")
    if not (parameter and parameter.choices) and fidelity.stratify not in fixed:
        named = [name for name, each in space.items() if each.choices and not each.when]
        rule = f"must be a list of choices in `space`, or a key of `fixed`, got {fidelity.stratify!r}"
        document.problem(at, rule, named, fidelity.stratify)
    elif parameter and parameter.when:
        document.problem(at, f"must be sampled in every trial, but {fidelity.stratify!r} has conditions")


def _check_steps(
    document: Document,
    fidelity: Fidelity,
    space: Mapping[str, SearchParameter],
    known: Sequence[Configuration],
    *,
    n_train: int,
) -> None:
    """Check that the first rung has enough steps at the largest batch and the fewest epochs.

    known: `fixed` and the given configurations. `images_per_unit`, which shortens an epoch, is not taken into account.
    """

    def values(key: str) -> list[float]:
        entries = [each for each in space.values() if each.key == key]
        ends = [end for each in entries for end in (each.choices or (each.low, each.high))]
        return [float(value) for value in [*ends, *(config[key] for config in known if key in config)]] or [1.0]

    batch, epochs = max(values("batch_size")), min(values("n_epochs"))
    n_steps = fidelity.rungs[0].share * epochs * max(1, n_train // max(batch, 1))
    if n_steps < MIN_STEPS:
        rule = f"the first rung must have at least {MIN_STEPS} steps at batch_size {batch:g} and n_epochs {epochs:g}"
        needed = MIN_STEPS / n_steps * fidelity.rungs[0].share
        how = f"raise the share to {needed:.3f}, or lower batch_size" if needed <= 1 else "lower batch_size"
        document.problem(("fidelity", "rungs", 0), f"{rule}; {how}, got {n_steps:.0f} steps")


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
