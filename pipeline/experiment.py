"""The experiment file: read, checked against the schemas, every problem named at once."""

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field

from pipeline.config import (
    Document,
    Flat,
    Integer,
    Key,
    Number,
    Scalar,
    Strict,
    Training,
    own_options,
    read_yaml,
    validate,
    validate_leaf,
)
from pipeline.errors import InputError
from pipeline.models import model_spec, registry
from pipeline.space import PRUNERS, SAMPLERS, Bound, Experiment, Grid, Leaf, Sampler, grid

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


class Range(Strict):
    """One entry of `space`: a range of numbers or a list of choices."""

    choice: list[Any] | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    when: dict[str, Any] = Field({})


def read_experiment(path: Path, data: Mapping[str, Any] | None = None) -> Experiment:
    """data: dataset.json of the development part that the experiment is to fit.

    Raises ConfigError with every problem of the file; nothing has been created then.
    """
    document = read_yaml(path)
    file = validate(document, ExperimentFile, document.values)
    sections = {name: _section(document, name) for name in ("fixed", "baseline", "one_at_a_time", "space")}
    sampler = _by_name(document, "sampler", "tpe", SAMPLERS)
    pruner = _by_name(document, "pruner", "median", PRUNERS)
    constraints = _bounds(document, _section(document, "constraints"))
    fixed = _constants(document, "fixed", sections["fixed"])
    baseline = own_options({**fixed, **_constants(document, "baseline", sections["baseline"])})
    variations = _variations(document, sections["one_at_a_time"], baseline)
    leaves = _leaves(document, sections["space"], fixed)
    for key in fixed.keys() & leaves.keys():
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    _check_baseline(document, baseline, leaves, sections["fixed"])
    space = _in_order(document, leaves)
    if file and sampler:
        _check_budget(document, file.trials, sampler, fixed, variations, space)
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


def _by_name(document: Document, section: str, default: str, kinds: Mapping[str, type[Kind]]) -> Kind | None:
    """Sampler or pruner with its options."""
    written = _section(document, section)
    name = str(written.setdefault("name", default))
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


def _variations(document: Document, written: Mapping[str, Any], baseline: Flat) -> tuple[tuple[str, Scalar], ...]:
    """Leaf and value of every trial that differs from the baseline in one leaf, in the order of the file."""
    found = []
    for key, values in written.items():
        for i, value in enumerate(values if isinstance(values, list) else []):
            at = ("one_at_a_time", key, i)
            checked = _value(document, key, value, at)
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


def _check_budget(
    document: Document,
    trials: int,
    sampler: Sampler,
    fixed: Flat,
    variations: tuple[tuple[str, Scalar], ...],
    space: tuple[Leaf, ...],
) -> None:
    n_given = 1 + len(variations)
    if trials < n_given:
        rule = f"must be at least {n_given}, the baseline and {len(variations)} of one_at_a_time, got {trials}"
        document.problem(("trials",), rule)
    if not isinstance(sampler, Grid):
        return
    endless = [leaf for leaf in space if leaf.values() is None]
    for leaf in endless:
        document.problem(("space", leaf.key), "a grid needs a list of choices, or a step without log")
    if endless or document.problems:
        return
    n = sum(1 for _ in islice(grid(fixed, space), trials + 1))
    if n_given + n > trials:
        size = math.prod(len(leaf.values() or ()) for leaf in space)
        rule = f"the grid does not fit: {n_given} and up to {size} combinations; raise trials or drop values"
        document.problem(("trials",), f"{rule}, got {trials}")


def _schema(document: Document, key: str, at: Key) -> tuple[type[Strict], str] | None:
    """Schema and field behind a flat key; None, with the problem noted, where there is none."""
    family, dot, option = key.partition(".")
    specs = registry()
    if not dot:
        if key in Training.model_fields:
            return Training, key
        document.problem(at, f"unknown key; known are {', '.join(Training.model_fields)}", Training.model_fields, key)
    elif family not in specs:
        document.problem(at, f"unknown model {family!r}; known are {', '.join(specs)}", specs, family)
    elif option not in specs[family].options.model_fields:
        known = specs[family].options.model_fields
        document.problem(at, f"{family} has no option {option!r}; it has {', '.join(known)}", known, option)
    else:
        return specs[family].options, option
    return None


def _value(document: Document, key: str, value: Any, at: Key) -> Scalar | None:
    """A checked value of a flat key; None, with the problem noted, where it does not fit."""
    found = _schema(document, key, at)
    if found is None:
        return None
    checked = validate_leaf(document, *found, value, at)
    if key == "model" and checked is not None:
        try:
            model_spec(checked)
        except InputError as error:
            document.problem(at, str(error))
            return None
    return cast(Scalar | None, checked)


def _constants(document: Document, section: str, values: Mapping[str, Any]) -> Flat:
    checked = {key: _value(document, key, value, (section, key)) for key, value in values.items()}
    return {key: value for key, value in checked.items() if value is not None}


def _leaves(document: Document, values: Mapping[str, Any], fixed: Flat) -> dict[str, Leaf]:
    leaves = {}
    for key, written in values.items():
        leaf = _leaf(document, key, {"choice": written} if isinstance(written, list) else written)
        if leaf:
            leaves[key] = leaf
    for key, leaf in leaves.items():
        for parent, allowed in leaf.when.items():
            at = ("space", key, "when", parent)
            possible = leaves[parent].choices if parent in leaves else (fixed[parent],) if parent in fixed else None
            if possible is None:
                document.problem(at, "must name a key of `space`", leaves, parent)
            elif possible and not set(allowed) <= set(possible):
                wrong = sorted(map(str, set(allowed) - set(possible)))
                document.problem(at, f"must be values that are drawn, {list(possible)}, got {wrong}")
    return leaves


def _leaf(document: Document, key: str, written: Any) -> Leaf | None:
    at = ("space", key)
    found = _schema(document, key, at)
    if found is None:
        return None
    if not isinstance(written, Mapping):
        rule = "must be a list of choices or a range {low, high}; constants go to `fixed`"
        document.problem(at, f"{rule}, got {written!r}")
        return None
    entry = validate(document, Range, written, at)
    if entry is None:
        return None
    when = _conditions(document, key, entry.when)
    if entry.choice is not None:
        if entry.model_fields_set - {"choice", "when"}:
            document.problem(at, "must be a list of choices or a range; keep one")
        return _choices(document, key, entry.choice, when)
    schema, name = found
    kind = schema.model_fields[name].annotation
    if kind not in (int, float):
        document.problem(at, "must be a list of choices: this key is no number")
        return None
    return _number(document, key, entry, when, kind is int)


def _conditions(document: Document, key: str, written: Mapping[str, Any]) -> dict[str, tuple[Scalar, ...]]:
    when = {}
    for parent, value in written.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(v, Scalar) for v in values):
            at = ("space", key, "when", parent)
            document.problem(at, f"must be a value or a list of values, got {value!r}")
        else:
            when[parent] = tuple(values)
    family, dot, _ = key.partition(".")
    if dot and family != "timm":  # variants of timm are named in `when: {model: ...}`
        when.setdefault("model", (family,))
    return when


def _choices(document: Document, key: str, written: list[Any], when: Mapping[str, tuple[Scalar, ...]]) -> Leaf | None:
    at = ("space", key)
    n = len(document.problems)
    if not written:
        document.problem(at, "choices must not be empty")
    if any(isinstance(c, list | dict) for c in written):
        document.problem(at, f"choices must be single values, got {written}")
        return None
    choices = [_value(document, key, c, (*at, i)) for i, c in enumerate(written)]
    if len(set(choices)) < len(choices) and len(document.problems) == n:
        document.problem(at, f"choices must differ, got {written}")
    return Leaf(key, choices=tuple(c for c in choices if c is not None), when=when)


def _number(document: Document, key: str, entry: Range, when: Any, integer: bool) -> Leaf | None:
    at = ("space", key)
    low, high = entry.low, entry.high
    if low is None or high is None:
        document.problem(at, "must have `low` and `high`, or be a list of choices")
        return None
    for bound in ("low", "high"):
        _value(document, key, getattr(entry, bound), (*at, bound))
    if low >= high:
        document.problem(at, f"low < high must hold, got low={low:g}, high={high:g}")
    if entry.log and low <= 0:
        document.problem(at, f"log needs low > 0, got low={low:g}")
    if entry.log and entry.step is not None:
        document.problem(at, "log and step exclude each other; keep one")
    if entry.step is not None and entry.step <= 0:
        document.problem(at, f"step > 0 must hold, got step={entry.step:g}")
    if entry.step is not None and integer and entry.step != round(entry.step):
        document.problem(at, f"step must be a whole number here, got step={entry.step:g}")
    return Leaf(key, low=low, high=high, log=entry.log, step=entry.step, integer=integer, when=when)


def _check_data(
    document: Document,
    data: Mapping[str, Any],
    baseline: Flat,
    space: Mapping[str, Leaf],
    variations: tuple[tuple[str, Scalar], ...],
) -> None:
    if (dataset := document.values.get("dataset")) != data["name"]:
        document.problem(("dataset",), f"must be {data['name']!r} as in params.yaml, got {dataset!r}; make them equal")
    n_train, leaf = data["parts"]["train"]["images"], space.get("batch_size")
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
        if key in ("val_sensitivity", "val_specificity") and not data["positive"]:
            document.problem(("constraints", key), f"the data set {data['name']!r} has no positive class; take it out")


def _check_baseline(document: Document, baseline: Flat, space: Mapping[str, Leaf], fixed: Mapping[str, Any]) -> None:
    """The baseline is trial 0, so it must be a whole configuration; it may leave `fixed` and the space."""
    for name, info in Training.model_fields.items():
        if info.is_required() and name not in baseline:
            document.problem(("baseline",), f"{name!r} is missing; set it in `baseline` or `fixed`")
        if info.is_required() and name not in space and name not in fixed:
            document.problem(("space",), f"{name!r} is missing; give it a range in `space` or a value in `fixed`")
    for key, leaf in space.items():
        if leaf.active(baseline) and key not in baseline:
            document.problem(("baseline",), f"{key!r} of the space is missing")


def _in_order(document: Document, space: Mapping[str, Leaf]) -> tuple[Leaf, ...]:
    """Leaves behind those their `when` names. A circle is noted as a problem."""
    ordered: dict[str, Leaf] = {}
    waiting = dict(space)
    while waiting:
        ready = [key for key, leaf in waiting.items() if not any(p in waiting for p in leaf.when)]
        if not ready:
            for key in waiting:
                document.problem(("space", key, "when"), f"conditions run in a circle: {', '.join(waiting)}")
            break
        for key in ready:
            ordered[key] = waiting.pop(key)
    return tuple(ordered.values())
