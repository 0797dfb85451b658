"""The leaves of an experiment file: what one value means, and one entry of `space`.

Every key is checked against the field of the schema that it stands for, in Training or in the options of a model.
"""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import InputError
from pipeline.core.yaml_document import Document, Key, Number, Scalar, Strict, validate, validate_leaf
from pipeline.experiment.space import SearchParameter
from pipeline.models.registry import model_spec, registry
from pipeline.training.config import Training

When = dict[str, tuple[Scalar, ...]]  # key -> values under which a leaf is drawn


class Range(Strict):
    """One entry of `space`: a range of numbers or a list of choices."""

    choice: list[Any] | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    when: dict[str, Any] = Field({})


def read_value(document: Document, key: str, value: Any, at: Key) -> Scalar | None:
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


def read_search_parameters(
    document: Document, values: Mapping[str, Any], fixed: Configuration
) -> dict[str, SearchParameter]:
    """`values`: the section `space`. Entries that are wrong are left out, with their problems noted."""
    leaves = {}
    for key, written in values.items():
        leaf = _search_parameter(document, key, {"choice": written} if isinstance(written, list) else written)
        if leaf:
            leaves[key] = leaf
    for key, leaf in leaves.items():
        for parent, allowed in leaf.when.items():
            at = ("space", key, "when", parent)
            possible = leaves[parent].choices if parent in leaves else (fixed[parent],) if parent in fixed else None
            if possible is None and parent not in values:  # an entry that is wrong has its own problem
                document.problem(at, "must name a key of `space`", leaves, parent)
            elif possible and not set(allowed) <= set(possible):
                wrong = [value for value in allowed if value not in possible]
                document.problem(at, f"must be values that are drawn, {list(possible)}, got {wrong}")
    return leaves


def _search_parameter(document: Document, key: str, written: Any) -> SearchParameter | None:
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


def _conditions(document: Document, key: str, written: Mapping[str, Any]) -> When:
    when = {}
    for parent, value in written.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(v, Scalar) for v in values):
            at = ("space", key, "when", parent)
            document.problem(at, f"must be a value or a list of values, got {value!r}")
        else:
            when[parent] = tuple(values)
    family, dot, _ = key.partition(".")
    if dot and registry()[family].variants is None:  # otherwise the file names them in `when: {model: ...}`
        when.setdefault("model", (family,))
    return when


def _choices(document: Document, key: str, written: list[Any], when: When) -> SearchParameter | None:
    at = ("space", key)
    n = len(document.problems)
    if not written:
        document.problem(at, "choices must not be empty")
    if any(isinstance(c, list | dict) for c in written):
        document.problem(at, f"choices must be single values, got {written}")
        return None
    choices = [read_value(document, key, c, (*at, i)) for i, c in enumerate(written)]
    if len(set(choices)) < len(choices) and len(document.problems) == n:
        document.problem(at, f"choices must differ, got {written}")
    return SearchParameter(key, choices=tuple(c for c in choices if c is not None), when=when)


def _number(document: Document, key: str, entry: Range, when: When, integer: bool) -> SearchParameter | None:
    at = ("space", key)
    low, high = entry.low, entry.high
    if low is None or high is None:
        document.problem(at, "must have `low` and `high`, or be a list of choices")
        return None
    for bound in ("low", "high"):
        read_value(document, key, getattr(entry, bound), (*at, bound))
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
    return SearchParameter(key, low=low, high=high, log=entry.log, step=entry.step, integer=integer, when=when)


def in_order(document: Document, space: Mapping[str, SearchParameter]) -> tuple[SearchParameter, ...]:
    """Leaves behind those their `when` names. A circle is noted as a problem."""
    ordered: dict[str, SearchParameter] = {}
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
