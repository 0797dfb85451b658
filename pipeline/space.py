"""An experiment: a training configuration in which some leaves are ranges.

So every draw is a valid configuration by construction. An option of a model (`cnn.width`) is drawn only
where that model is; any other condition is written as `when:`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

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


class Sampler(Strict):
    name: Literal["tpe", "random"] = "tpe"
    startup_trials: Annotated[Integer, Field(ge=0, description="random trials before tpe starts to learn")] = 5


class Pruner(Strict):
    name: Literal["median", "none"] = "median"
    startup_trials: Annotated[Integer, Field(ge=0, description="complete trials before any is pruned")] = 4
    warmup: Annotated[float, Field(ge=0, lt=1, description="share of its epochs that every trial is given")] = 0.3


class _File(Strict):
    """The experiment file as written."""

    question: str = Field(min_length=1, description="what the experiment is to answer, one sentence")
    dataset: str
    objective: Literal["accuracy", "macro_f1"] = Field("macro_f1", description="on val; larger is better")
    trials: Annotated[Integer, Field(ge=1, description="trials in total, the baseline included")]
    seed: Annotated[Integer, Field(ge=0)] = 1
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    fixed: dict[str, Any] = Field({})
    baseline: dict[str, Any]
    space: dict[str, Any]


class _Range(Strict):
    """One entry of `space`: a range of numbers or a list of choices."""

    choice: list[Any] | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    when: dict[str, Any] = Field({})


@dataclass(frozen=True)
class Leaf:
    """A drawn value. `choices` or `low`..`high` (both included); `when`: key -> values under which it is drawn."""

    key: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def active(self, drawn: Flat) -> bool:
        return all(drawn.get(key) in values for key, values in self.when.items())


@dataclass(frozen=True)
class Experiment:
    name: str
    question: str
    dataset: str
    objective: str
    trials: int
    seed: int
    sampler: Sampler
    pruner: Pruner
    fixed: Flat
    baseline: Flat  # the whole configuration, `fixed` included
    space: tuple[Leaf, ...]  # a leaf stands behind those its `when` names

    def identity(self) -> dict[str, Any]:
        """What makes two studies the same search: everything but the question and the number of trials."""
        leaves = [{**vars(leaf), "when": dict(leaf.when)} for leaf in self.space]
        return {
            "dataset": self.dataset,
            "objective": self.objective,
            "seed": self.seed,
            "sampler": self.sampler.model_dump(),
            "pruner": self.pruner.model_dump(),
            "fixed": self.fixed,
            "baseline": self.baseline,
            "space": leaves,
        }


def read_experiment(path: Path, data: Mapping[str, Any] | None = None) -> Experiment:
    """data: dataset.json of the development part that the experiment is to fit.

    Raises ConfigError with every problem of the file; nothing has been created then.
    """
    document = read_yaml(path)
    file = validate(document, _File, document.values)
    sections = {name: _section(document, name) for name in ("fixed", "baseline", "space")}
    fixed = _constants(document, "fixed", sections["fixed"])
    space = _leaves(document, sections["space"], fixed)
    baseline = own_options({**fixed, **_constants(document, "baseline", sections["baseline"])})
    for key in fixed.keys() & space.keys():
        document.problem(("space", key), "the key is also in `fixed`; keep one")
    _check_baseline(document, baseline, space, sections["fixed"])
    ordered = _in_order(document, space)
    if data:
        _check_data(document, data, {**fixed, **baseline}, space)
    document.check()
    assert file
    settings = {name: getattr(file, name) for name in _File.model_fields if name not in {"fixed", "baseline", "space"}}
    return Experiment(name=path.stem, fixed=fixed, baseline=baseline, space=ordered, **settings)


def _section(document: Document, name: str) -> dict[str, Any]:
    """Its keys, even where the rest of the file is wrong, so that all problems come at once."""
    written = document.values.get(name)
    return dict(written) if isinstance(written, Mapping) else {}


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
    entry = validate(document, _Range, written, at)
    if entry is None:
        return None
    when = _conditions(document, key, entry.when)
    if entry.choice is not None:
        if entry.low is not None or entry.high is not None:
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


def _number(document: Document, key: str, entry: _Range, when: Any, integer: bool) -> Leaf | None:
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


def _check_data(document: Document, data: Mapping[str, Any], constants: Flat, space: Mapping[str, Leaf]) -> None:
    if (dataset := document.values.get("dataset")) != data["name"]:
        document.problem(("dataset",), f"must be {data['name']!r} as in params.yaml, got {dataset!r}; make them equal")
    n_train, leaf = data["parts"]["train"]["images"], space.get("batch_size")
    for section, sizes in (
        ("space", (leaf.choices or (int(leaf.high),)) if leaf else ()),
        ("baseline", (constants.get("batch_size", 1),)),
    ):
        if too_large := [size for size in sizes if isinstance(size, int) and size > n_train]:
            rule = f"must be at most {n_train}, the images of the training part, got {max(too_large)}"
            document.problem((section, "batch_size"), rule)


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
