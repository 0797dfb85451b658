"""HTML pages that stand alone: styles, pictures and scripts inside, no request; Markdown twins. Templates: `*.jinja`.

The only scripts are the `*.js` beside; a page's policy names the hash of each it holds, so no other can run.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.core import markdown
from pipeline.core.files import write_text
from pipeline.report.formatting import (
    cell,
    count,
    count_estimate,
    dict_labels,
    duration,
    method,
    number,
    p_value,
    percent,
    percent_estimate,
    points_estimate,
)


def write_page(path: Path, template: str, **content: Any) -> None:
    """Fills `<template>.jinja`. Every value is escaped; a name the template misses is an error."""
    write_text(path, _environment().get_template(f"{template}.jinja").render(**content))


def write_twin(path: Path, template: str, **content: Any) -> None:
    """Fills `<template>.md.jinja`: Markdown without HTML, in which every value is plain text."""

    def finalize(value: Any) -> Markup:
        return value if isinstance(value, Markup) else _markdown(markdown.escape(value))

    environment = _environment()
    environment.finalize = finalize
    environment.globals |= {
        "table": lambda head, rows: _markdown(markdown.table(head, rows)),
        "code": lambda value: _markdown(markdown.code(value)),
        "link": lambda address: _markdown(markdown.link(address)),
    }
    text = environment.get_template(f"{template}.md.jinja").render(**content)
    write_text(path, re.sub(r"\n{3,}", "\n\n", text) + "\n")


def _markdown(escaped: str) -> Markup:
    return Markup(escaped)  # noqa: S704, by the rules of Markdown


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "percent": percent, "count": count, "number": number, "p_value": p_value, "duration": duration,
        "cell": cell, "data_uri": data_uri, "percent_estimate": percent_estimate, "count_estimate": count_estimate,
        "points_estimate": points_estimate, "method": method, "dictlabels": dict_labels,
        "script": script, "script_hash": script_hash,
    }  # fmt: skip
    return environment


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def script(name: str) -> Markup:
    """Text of a script of ours, for inside `<script>`."""
    return Markup((Path(__file__).parent / name).read_text(encoding="utf-8"))  # noqa: S704, our own file


def script_hash(name: str) -> str:
    """As a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()
