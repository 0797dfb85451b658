"""YAML files as users write them, validated against pydantic models.

YAML 1.2 is read node by node, so that all problems of a file are reported at once, each with its line, and so that no
tag, alias or duplicate key means something that the reader of the file does not see.
"""

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.core.errors import ConfigError, did_you_mean
from pipeline.core.files import write_text

Scalar = bool | int | float | str
Key = tuple[str | int, ...]


@dataclass
class Document:
    """A YAML file as plain values, with the line of each key and the problems noted so far."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def problem(self, key: Key, rule: str, known: Iterable[str] = (), wrong: str = "") -> None:
        """Note `FILE:LINE: key: rule`, and suggest the name in `known` that is nearest to `wrong`."""
        at = key
        while at and at not in self.lines:
            at = at[:-1]
        name = ".".join(str(part) for part in key) or "file"
        self.problems.append(f"{self.path}:{self.lines.get(at, 1)}: {name}: {rule}{did_you_mean(wrong, known)}")

    def check(self) -> dict[str, Any]:
        """Return the values. Raises ConfigError with all noted problems, if there are any."""
        if self.problems:
            n = len(self.problems)
            raise ConfigError(f"{self.path} has {n} problem{'s' if n > 1 else ''}; nothing was started", self.problems)
        return self.values


def read_yaml(path: Path, text: str | None = None) -> Document:
    """Read a mapping; problems of single keys are noted, so that the caller can add its own before `check`.

    text: what the file held at another time. Raises ConfigError if the file is missing, is not UTF-8 YAML, or does not
    hold a mapping.
    """
    document = Document(path)
    try:
        text = path.read_bytes().decode("utf-8-sig") if text is None else text
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; create it or correct the name") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:1: file: must be UTF-8 text; save it as UTF-8") from None
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        tab = "; indent with spaces" if "'\\t'" in str(error.problem) else ""
        raise ConfigError(f"{path}:{line}: file: must be YAML: {error.problem or error.context}{tab}") from None
    except YAMLError as error:
        raise ConfigError(f"{path}:1: file: must be YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}:1: file: must not be nested this deeply; check the brackets") from None
    if not isinstance(node, MappingNode):
        raise ConfigError(f"{path}:1: file: must be a mapping of keys to values, got {_kind(node)}")
    document.values = _plain(node, (), document, set())
    return document


def _kind(node: Node | None) -> str:
    return "nothing" if node is None else "a list" if isinstance(node, SequenceNode) else "a single value"


def _plain(node: Node, key: Key, document: Document, seen: set[int]) -> Any:
    """Return the plain values of a node; note lines and problems in `document`."""
    document.lines.setdefault(key, node.start_mark.line + 1)
    if id(node) in seen or node.anchor:
        document.problem(key, "anchors and aliases are not allowed; write the value out")
        return None
    seen.add(id(node))
    if isinstance(node, MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)
            inner = (*key, name)
            if name in mapping:
                document.problem(inner, f"duplicate key (also on line {key_node.start_mark.line + 1}); remove one")
                continue
            document.lines[inner] = key_node.start_mark.line + 1
            mapping[name] = _plain(value_node, inner, document, seen)
        return mapping
    if isinstance(node, SequenceNode):
        return [_plain(item, (*key, i), document, seen) for i, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return _scalar(node, key, document)


def _scalar(node: ScalarNode, key: Key, document: Document) -> Scalar | None:
    tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
    text = str(node.value)
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        if len(text) > 30:
            document.problem(key, f"must have at most 30 digits, got {len(text)}")
            return None
        prefixed = text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b")
        return int(text, 0 if prefixed else 10)  # 007 is seven
    if tag == "float":
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    if tag != "str":
        document.problem(key, f"only plain YAML values are allowed, got tag {node.tag!r}")
    return text


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write plain values as YAML, keys in the given order."""
    yaml: Any = YAML(typ="safe", pure=True)  # its attributes are typed as None
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump(dict(value), text)
    write_text(path, text.getvalue())


class Strict(BaseModel):
    """A model that forbids unknown keys and whose values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Checked = TypeVar("Checked", bound=BaseModel)


def validate(document: Document, schema: type[Checked], values: Mapping[str, Any], at: Key = ()) -> Checked | None:
    """Return `values` as `schema`; None if they do not fit, with every problem noted in `document`."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        for e in error.errors():
            # without pydantic's marks of a wrong key of a mapping, and of the type of a union that was tried
            loc = tuple(part for part in e["loc"] if "[" not in str(part))
            known = _fields(schema, loc[:-1]) if e["type"] == "extra_forbidden" else []
            _note(document, (*at, *loc), e, known)
        return None


def _fields(schema: Any, path: Key) -> list[str]:
    """Return the names of the fields of the model at a path inside a model."""
    for part in path:
        is_model = isinstance(schema, type) and issubclass(schema, BaseModel)
        # else: the values of a mapping or of a list
        schema = schema.model_fields[part].annotation if is_model else _last(get_args(schema), Ellipsis)
        if isinstance(schema, UnionType):
            schema = _last(get_args(schema), NoneType)
    return list(schema.model_fields)


def _last(types: tuple[Any, ...], but: Any) -> Any:
    return [each for each in types if each is not but][-1]


def field_type(info: FieldInfo) -> TypeAdapter[Any]:
    """Return the type of a field, with its bounds."""
    annotation: Any = info.annotation
    return TypeAdapter(Annotated[annotation, *info.metadata] if info.metadata else annotation)


def validate_value(document: Document, info: FieldInfo, value: Any, at: Key) -> Any:
    """Return `value` as the field; None if it does not fit, with the problem noted in `document`."""
    try:
        return field_type(info).validate_python(value)
    except ValidationError as error:
        _note(document, at, error.errors()[0], [])
        return None


def _note(document: Document, key: Key, error: Any, known: list[str]) -> None:
    if error["type"] == "extra_forbidden":
        document.problem(key, f"unknown key; known are {', '.join(known)}", known, str(key[-1]))
    elif error["type"] == "missing":
        document.problem(key, "the key is missing; add it")
    else:
        message = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
        options = error.get("ctx", {}).get("expected", "")
        names = [option.strip("' ") for option in options.replace(" or ", ",").split(",")] if options else []
        document.problem(key, f"{message}, got {error['input']!r}", names, str(error["input"]))


def _finite(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("must be a finite number")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, bool):  # True and False are 1 and 0 in Python
        raise ValueError("must be a whole number")
    return value


def _count_or_auto(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError("must be a whole number of at least 1, or auto")


Number = Annotated[float, BeforeValidator(_finite)]
Integer = Annotated[int, BeforeValidator(_whole)]
CountOrAuto = Annotated[int | Literal["auto"], BeforeValidator(_count_or_auto)]
