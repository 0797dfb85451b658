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


def read_value(document: Document, at: Key, value: Any, *, key: str | None = None) -> Scalar | None:
    """Return the value of a key, `at[1]` if not given; None, with the problem noted, if it does not fit."""
    key = key or str(at[1])
    if (info := _field(document, at, key)) is None:
        return None
    checked = validate_value(document, info, value, at)
    if key == "model" and checked is not None:
        try:
            check_model_name(checked)
        except InputError as error:
            document.problem(at, str(error))
            return None
    return cast(Scalar | None, checked)


def _field(document: Document, at: Key, key: str) -> FieldInfo | None:
    try:
        schema, name = find_field(key)
        return schema.model_fields[name]
    except UnknownKeyError as error:
        document.problem(at, str(error), error.known, error.wrong)
        return None


def read_space(document: Document, written: Mapping[str, Any], fixed: Configuration) -> dict[str, SearchParameter]:
    """Return the parameters of the section `space`, without those that have a problem."""
    entries = [entry for key, value in written.items() for entry in _entries(document, key, value)]
    for place, parameter in entries:
        for parent, allowed in parameter.when.items():
            at = (*place, "when", parent)
            choices = [value for _, other in entries if other.key == parent for value in other.choices]
            possible = choices or ([fixed[parent]] if parent in fixed else None)
            wrong = [value for value in allowed if value not in (possible or allowed)]
            if at not in document.lines:  # the condition comes with the name of the option, nobody wrote it
                if wrong:
                    owner = f"is an option of {parent} {wrong[0]}"
                    document.problem(place, f"{owner}, but {parent} can only be {', '.join(map(str, possible or ()))}")
            elif possible is None and parent not in written:  # an entry that is wrong has its own problem
                document.problem(at, "must name a key of `space`", written, parent)
            elif wrong:
                document.problem(at, f"must be values that can be sampled, {possible}, got {wrong}")
    return {parameter.name: parameter for _, parameter in entries}


def _entries(document: Document, key: str, written: Any) -> list[tuple[Key, SearchParameter]]:
    """Return place and parameter of a key, or of each of its cases: a list of ranges under different conditions."""
    places: list[Key] = [("space", key)]
    if isinstance(written, list) and written and all(isinstance(case, Mapping) for case in written):
        places = [("space", key, i) for i in range(len(written))]
    read = [(at, _search_parameter(document, at, written[at[2]] if len(at) > 2 else written)) for at in places]
    entries = [(at, parameter) for at, parameter in read if parameter]
    if len(places) == 1:
        return entries
    for i, (at, parameter) in enumerate(entries):
        if clashing := [other for _, other in entries[:i] if not _exclude(parameter, other)]:
            rule = "the cases of a key need `when` with different values of one key"
            document.problem(at, f"{rule}, got {dict(clashing[0].when)} and {dict(parameter.when)}")
    cases = [",".join(str(value) for values in p.when.values() for value in values) for _, p in entries]
    return [(at, p.model_copy(update={"case": case})) for (at, p), case in zip(entries, cases, strict=True)]


def _exclude(one: SearchParameter, other: SearchParameter) -> bool:
    """Return whether two parameters never hold together."""
    return any(not set(one.when[key]) & set(other.when[key]) for key in one.when.keys() & other.when.keys())


def _search_parameter(document: Document, at: Key, written: Any) -> SearchParameter | None:
    if (info := _field(document, at, str(at[1]))) is None:
        return None
    written = {"choice": written} if isinstance(written, list) else written
    if not isinstance(written, Mapping):
        rule = "must be a list of choices or a range {low, high}; constants go to `fixed`"
        document.problem(at, f"{rule}, got {written!r}")
        return None
    if (entry := validate(document, Range, written, at)) is None:
        return None
    when = _conditions(document, at, entry.when)
    if entry.choice is None and info.annotation in (int, float):
        return _number(document, at, entry, when=when, integer=info.annotation is int)
    if entry.choice is None:
        document.problem(at, "must be a list of choices: this key is no number")
        return None
    if entry.model_fields_set - {"choice", "when"}:
        document.problem(at, "must be a list of choices or a range; keep one")
    return _choices(document, at, entry.choice, when=when)


def _conditions(document: Document, at: Key, written: Mapping[str, Any]) -> When:
    model = implied_model(str(at[1]))
    when: When = {"model": (model,)} if model else {}
    for parent, value in written.items():
        values = value if isinstance(value, list) else [value]
        if values and all(isinstance(v, Scalar) for v in values):
            when[parent] = tuple(values)
        else:
            document.problem((*at, "when", parent), f"must be a value or a list of values, got {value!r}")
    return when


def _choices(document: Document, at: Key, written: list[Any], *, when: When) -> SearchParameter | None:
    if not written:
        document.problem(at, "choices must not be empty")
    if any(isinstance(choice, list | dict) for choice in written):
        document.problem(at, f"choices must be single values, got {written}")
        return None
    read = [read_value(document, (*at, i), choice) for i, choice in enumerate(written)]
    choices = tuple(choice for choice in read if choice is not None)
    if len(set(choices)) < len(choices) == len(written):
        document.problem(at, f"choices must differ, got {written}")
    return SearchParameter(key=str(at[1]), choices=choices, when=when)


def _number(document: Document, at: Key, entry: Range, *, when: When, integer: bool) -> SearchParameter | None:
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
    return SearchParameter(key=str(at[1]), low=low, high=high, log=entry.log, step=step, integer=integer, when=when)


def in_order(document: Document, space: Mapping[str, SearchParameter]) -> tuple[SearchParameter, ...]:
    """Return the parameters, each after those that its `when` names. A circle is noted as a problem."""
    ordered: list[SearchParameter] = []
    waiting = dict(space)
    while ready := [name for name, p in waiting.items() if not {q.key for q in waiting.values()} & p.when.keys()]:
        ordered += [waiting.pop(name) for name in ready]
    for parameter in waiting.values():
        document.problem(("space", parameter.key, "when"), f"conditions run in a circle: {', '.join(waiting)}")
    return tuple(ordered)
