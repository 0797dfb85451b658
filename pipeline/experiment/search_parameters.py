"""Read the values and search parameters of an experiment file.

Every key is checked against its field in `Training` or in the options of a model.
"""

import math
from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field
from pydantic.fields import FieldInfo

from pipeline.artifacts.configuration import Configuration
from pipeline.core.errors import InputError, UnknownKeyError
from pipeline.core.yaml_document import Document, Key, Number, Scalar, Strict, validate, validate_value
from pipeline.experiment.space import SearchParameter
from pipeline.training.config import check_model_name, find_field, implied_model

When = dict[str, tuple[Scalar, ...]]  # key -> values under which a parameter is sampled


class Range(Strict):
    """An entry of `space`: a range of numbers or a list of choices."""

    choice: list[Any] | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    when: dict[str, Any] = Field({})


def read_value(document: Document, at: Key, value: Any) -> Scalar | None:
    """Return the value of the key `at[1]`; None, with the problem noted, if it does not fit."""
    if (info := _field(document, at)) is None:
        return None
    checked = validate_value(document, info, value, at)
    if at[1] == "model" and checked is not None:
        try:
            check_model_name(checked)
        except InputError as error:
            document.problem(at, str(error))
            return None
    return cast(Scalar | None, checked)


def _field(document: Document, at: Key) -> FieldInfo | None:
    try:
        schema, name = find_field(str(at[1]))
        return schema.model_fields[name]
    except UnknownKeyError as error:
        document.problem(at, str(error), error.known, error.wrong)
        return None


def read_space(document: Document, written: Mapping[str, Any], fixed: Configuration) -> dict[str, SearchParameter]:
    """Return the parameters of the section `space`, without those that have a problem."""
    entries = {key: _search_parameter(document, key, value) for key, value in written.items()}
    space = {key: parameter for key, parameter in entries.items() if parameter}
    for key, parameter in space.items():
        for parent, allowed in parameter.when.items():
            at = ("space", key, "when", parent)
            possible = space[parent].choices if parent in space else (fixed[parent],) if parent in fixed else None
            wrong = [value for value in allowed if value not in (possible or allowed)]
            if at not in document.lines:  # the condition comes with the name of the option, nobody wrote it
                if wrong:
                    owner = f"is an option of {parent} {wrong[0]}"
                    document.problem(at[:2], f"{owner}, but {parent} can only be {', '.join(map(str, possible or ()))}")
            elif possible is None and parent not in written:  # an entry that is wrong has its own problem
                document.problem(at, "must name a key of `space`", space, parent)
            elif wrong:
                document.problem(at, f"must be values that can be sampled, {list(possible or ())}, got {wrong}")
    return space


def _search_parameter(document: Document, key: str, written: Any) -> SearchParameter | None:
    at = ("space", key)
    if (info := _field(document, at)) is None:
        return None
    written = {"choice": written} if isinstance(written, list) else written
    if not isinstance(written, Mapping):
        rule = "must be a list of choices or a range {low, high}; constants go to `fixed`"
        document.problem(at, f"{rule}, got {written!r}")
        return None
    if (entry := validate(document, Range, written, at)) is None:
        return None
    when = _conditions(document, key, entry.when)
    if entry.choice is None and info.annotation in (int, float):
        return _number(document, key, entry, when=when, integer=info.annotation is int)
    if entry.choice is None:
        document.problem(at, "must be a list of choices: this key is no number")
        return None
    if entry.model_fields_set - {"choice", "when"}:
        document.problem(at, "must be a list of choices or a range; keep one")
    return _choices(document, key, entry.choice, when=when)


def _conditions(document: Document, key: str, written: Mapping[str, Any]) -> When:
    model = implied_model(key)
    when: When = {"model": (model,)} if model else {}
    for parent, value in written.items():
        values = value if isinstance(value, list) else [value]
        if values and all(isinstance(v, Scalar) for v in values):
            when[parent] = tuple(values)
        else:
            document.problem(("space", key, "when", parent), f"must be a value or a list of values, got {value!r}")
    return when


def _choices(document: Document, key: str, written: list[Any], *, when: When) -> SearchParameter | None:
    at = ("space", key)
    if not written:
        document.problem(at, "choices must not be empty")
    if any(isinstance(choice, list | dict) for choice in written):
        document.problem(at, f"choices must be single values, got {written}")
        return None
    read = [read_value(document, (*at, i), choice) for i, choice in enumerate(written)]
    choices = tuple(choice for choice in read if choice is not None)
    if len(set(choices)) < len(choices) == len(written):
        document.problem(at, f"choices must differ, got {written}")
    return SearchParameter(key=key, choices=choices, when=when)


def _number(document: Document, key: str, entry: Range, *, when: When, integer: bool) -> SearchParameter | None:
    at = ("space", key)
    low, high, step = entry.low, entry.high, entry.step
    if low is None or high is None:
        document.problem(at, "must have `low` and `high`, or be a list of choices")
        return None
    read_value(document, (*at, "low"), low)
    read_value(document, (*at, "high"), high)
    if low >= high:
        document.problem(at, f"low < high must hold, got low={low:g}, high={high:g}")
    if entry.log and low <= 0:
        document.problem(at, f"log needs low > 0, got low={low:g}")
    if entry.log and step is not None:
        document.problem(at, "log and step exclude each other; keep one")
    if step is not None and step <= 0:
        document.problem(at, f"step > 0 must hold, got step={step:g}")
    if step is not None and integer and step != round(step):
        document.problem(at, f"step must be a whole number here, got step={step:g}")
    elif step and step > 0 and low < high and abs((rest := (high - low) / step) - round(rest)) > 1e-6:
        last = low + math.floor(rest) * step
        rule = f"high must be low plus a multiple of step, {last:g} or {last + step:g}"
        document.problem(at, f"{rule}, got high={high:g}")
    return SearchParameter(key=key, low=low, high=high, log=entry.log, step=step, integer=integer, when=when)


def in_order(document: Document, space: Mapping[str, SearchParameter]) -> tuple[SearchParameter, ...]:
    """Return the parameters, each after those that its `when` names. A circle is noted as a problem."""
    ordered: list[SearchParameter] = []
    waiting = dict(space)
    while ready := [key for key, parameter in waiting.items() if not waiting.keys() & parameter.when.keys()]:
        ordered += [waiting.pop(key) for key in ready]
    for key in waiting:
        document.problem(("space", key, "when"), f"conditions run in a circle: {', '.join(waiting)}")
    return tuple(ordered)
